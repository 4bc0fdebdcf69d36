"""Secrets at rest, and the key that opens them."""

import base64
import builtins
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from rowmill.core.errors import StoreError, UsageError
from rowmill.db.secret_box import SecretBox
from tests.support.processes import Processes

KEY = bytes(range(200, 232))
SECRET = "sk-very-secret-1234"


@pytest.fixture(autouse=True)
def no_key_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROWMILL_SECRET_KEY", raising=False)


def test_what_was_sealed_is_opened_by_another_process_and_is_nowhere_in_clear(tmp_path: Path) -> None:
    sealed = SecretBox(tmp_path).seal(SECRET, "connection:1")
    assert SecretBox(tmp_path).open(sealed, "connection:1") == SECRET
    assert SECRET not in sealed
    assert SECRET.encode() not in base64.b64decode(sealed)


def test_the_same_secret_is_never_sealed_the_same_way(tmp_path: Path) -> None:
    box = SecretBox(tmp_path)
    assert len({box.seal(SECRET, "a") for _ in range(10)}) == 10


def test_what_was_sealed_for_one_thing_opens_for_no_other(tmp_path: Path) -> None:
    box = SecretBox(tmp_path)
    sealed = box.seal(SECRET, "connection:1")
    with pytest.raises(StoreError):
        box.open(sealed, "connection:2")


@pytest.mark.parametrize("damaged", ["", "AAAA", "no base64 at all!", "A" * 80])
def test_what_is_damaged_is_refused(tmp_path: Path, damaged: str) -> None:
    box = SecretBox(tmp_path)
    box.seal(SECRET, "a")
    with pytest.raises(StoreError):
        box.open(damaged, "a")


def test_the_key_file_is_made_when_first_needed_for_its_owner_alone(tmp_path: Path) -> None:
    box = SecretBox(tmp_path)
    assert list(tmp_path.iterdir()) == []
    umask = os.umask(0)
    try:
        box.seal(SECRET, "a")
    finally:
        os.umask(umask)
    (made,) = tmp_path.iterdir()
    assert made.name == "secret.key"
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert len(base64.b64decode(made.read_text())) == 32


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    sealed = SecretBox(tmp_path).seal(SECRET, "a")
    (tmp_path / "secret.key").chmod(mode)
    with pytest.raises(StoreError, match=r"Others can read .*chmod 600") as refused:
        SecretBox(tmp_path).open(sealed, "a")
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("content", ["", "short", "x" * 44])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "secret.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="holds no key"):
        SecretBox(tmp_path).seal(SECRET, "a")
    assert path.read_text() == content


def test_a_lost_key_is_told_with_the_ways_back_and_no_new_one_is_made(tmp_path: Path) -> None:
    sealed = SecretBox(tmp_path).seal(SECRET, "a")
    (tmp_path / "secret.key").unlink()
    with pytest.raises(StoreError, match="is gone") as lost:
        SecretBox(tmp_path).open(sealed, "a")
    assert "ROWMILL_SECRET_KEY" in lost.value.hint
    assert "rowmill connections add NAME --replace" in lost.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_key_that_takes_the_place_of_a_lost_one_counts_at_once(tmp_path: Path) -> None:
    running, other = SecretBox(tmp_path), SecretBox(tmp_path)
    running.seal(SECRET, "a")
    (tmp_path / "secret.key").unlink()
    assert running.open(other.seal(SECRET, "a"), "a") == SECRET


def test_another_key_opens_nothing_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = SecretBox(tmp_path).seal(SECRET, "a")
    monkeypatch.setenv("ROWMILL_SECRET_KEY", KEY.hex())
    with pytest.raises(StoreError, match="sealed with another key"):
        SecretBox(tmp_path).open(sealed, "a")


@pytest.mark.parametrize(
    "given",
    [
        KEY.hex(),
        KEY.hex().upper(),
        base64.b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode(),
        base64.urlsafe_b64encode(KEY).decode().rstrip("="),
        f" {base64.b64encode(KEY).decode()}\n",
    ],
)
def test_the_key_may_come_from_the_environment_as_hex_or_base64(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("ROWMILL_SECRET_KEY", base64.b64encode(KEY).decode())
    sealed = SecretBox(tmp_path).seal(SECRET, "a")
    monkeypatch.setenv("ROWMILL_SECRET_KEY", given)
    assert SecretBox(tmp_path).open(sealed, "a") == SECRET
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["secret", "00" * 16, "00" * 33, base64.b64encode(KEY[:31]).decode(), "é" * 32])
def test_any_other_key_in_the_environment_is_refused_unshown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("ROWMILL_SECRET_KEY", given)
    with pytest.raises(StoreError, match="ROWMILL_SECRET_KEY is no key: it must hold 32 bytes") as refused:
        SecretBox(tmp_path).seal(SECRET, "a")
    assert given not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_two_processes_that_need_a_key_at_once_get_the_same(processes: Processes, tmp_path: Path) -> None:
    code = """
from rowmill.db.secret_box import SecretBox
box = SecretBox(home)
say("ready")
sys.stdin.readline()
say(box.seal("from a process", "a"))
"""
    several = [processes.start(code) for _ in range(4)]
    assert [process.hear() for process in several] == ["ready"] * 4
    for process in several:
        process.tell()
    box = SecretBox(tmp_path)
    assert [box.open(process.hear(), "a") for process in several] == ["from a process"] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["secret.key"]


def test_a_directory_that_cannot_be_written_to_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        SecretBox(tmp_path / "nowhere").seal(SECRET, "a")


def test_without_the_package_the_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any) -> Any:
        if name.startswith("cryptography"):
            raise ModuleNotFoundError(name=name)
        return real(name, *args)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"needs the package cryptography\. .*pip install 'rowmill\[serve\]'"):
        SecretBox(tmp_path).seal(SECRET, "a")
