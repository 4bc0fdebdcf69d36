"""Opens a file by a path that somebody gave, without waiting for anybody."""

import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO | None:
    """The file, open for reading; ``None`` where a pipe, a device or a socket stands there, of which the first would
    wait for a writer, for ever. Raises ``OSError``, also for a directory."""
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # before, since opening a device can do something
        return None
    file = open(path, "rb", opener=_at_once)  # noqa: SIM115 - Path.open takes no opener; the caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # and after, since another may stand there by now
        file.close()
        return None
    return file


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
