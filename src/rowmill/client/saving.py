"""Files that appear whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from rowmill.core.errors import UsageError


@contextmanager
def new_file(place: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes its place at ``place`` at the end, unless an error is raised. Raises
    ``UsageError`` if no file can be there."""
    if place.is_dir():
        raise UsageError(f"{place} is a directory.", "Name a file in it.")
    if not place.parent.is_dir():
        raise UsageError(f"There is no directory {place.parent}.", "Create it first, or name another place.")
    descriptor, unfinished = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield cast("BinaryIO", file)
        Path(unfinished).chmod(0o666 & ~_umask())
        Path(unfinished).replace(place)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0o077)
    os.umask(current)
    return current
