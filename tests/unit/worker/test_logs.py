import json
import logging
import re
from collections.abc import Iterator

import pytest

from rowmill.core.errors import UsageError
from rowmill.worker.logs import configure

log = logging.getLogger("rowmill.engine.test")


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """Leaves the log as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_a_json_line_tells_when_how_bad_what_and_of_which_job_and_row(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    log.warning("row failed", extra={"row": 3, "code": "timeout", "job": "job_1", "step": "prompt", "attempt": 2})
    told = json.loads(capsys.readouterr().err)
    assert list(told)[:5] == ["timestamp", "level", "event", "job", "row"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", told.pop("timestamp"))
    assert told == {
        "level": "warning", "event": "row failed", "job": "job_1", "row": 3, "logger": "rowmill.engine.test",
        "code": "timeout", "step": "prompt", "attempt": 2,
    }  # fmt: skip


def test_a_text_line_tells_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    configure("text")
    log.warning("row failed", extra={"row": 3, "job": "job_1", "error": "two\nlines"})
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert re.match(r"\d{4}-\d\d-\d\dT\S+Z \[warning *\] row failed .*job=job_1 row=3", said)


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_traceback_shows_no_local_variable(capsys: pytest.CaptureFixture[str], format_: str) -> None:
    configure(format_)
    key = "sk-" + "secret"

    def breaks() -> int:
        return len(key) // 0

    try:
        breaks()
    except ZeroDivisionError:
        log.exception("job stopped", extra={"job": "job_1"})
    said = capsys.readouterr().err
    assert "ZeroDivisionError" in said
    assert key not in said


def test_less_than_the_level_is_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "warning")
    log.info("job claimed")
    log.error("cannot look for jobs")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["cannot look for jobs"]


def test_what_cannot_be_written_as_it_is_breaks_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    log.info("job failed", extra={"error": "a \ud800 b", "of": {1, 2}})
    assert json.loads(capsys.readouterr().err)["error"] == "a \ud800 b"


def test_a_missing_package_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "structlog", None)
    with pytest.raises(UsageError, match=r"needs structlog.*pip install 'rowmill\[serve\]'"):
        configure()
