import os
import socket
from pathlib import Path

import pytest

from rowmill.plugins.regular_file import open_regular


def test_a_file_is_opened_for_reading(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"id\n1\n")
    file = open_regular(path)
    assert file is not None
    with file:
        assert file.read() == b"id\n1\n"


def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert open_regular(tmp_path / "pipe") is None


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_text("")
    before = (tmp_path / "file").stat()
    monkeypatch.setattr(Path, "stat", lambda path: before)
    assert open_regular(tmp_path / "pipe") is None


def test_devices_and_sockets_are_no_files(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket"))
        assert open_regular(tmp_path / "socket") is None
    assert open_regular(Path(os.devnull)) is None


def test_what_is_not_there_and_directories_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        open_regular(tmp_path)
