"""Files that are locked between processes, by ``flock``.

Such a lock belongs to the open file, and a forked child has that open too: a process that a user's function starts in
this way would keep, for as long as it lives, what its dead parent had locked. So children close these files before
anything else.
"""

import errno
import os
from io import FileIO
from pathlib import Path
from weakref import WeakSet

from rowmill.core.errors import StoreError

_open: WeakSet[FileIO] = WeakSet()


def open_to_lock(path: Path) -> FileIO:
    """Opens ``path``, made where it is missing, for a lock that dies with this very process. Raises ``StoreError``."""
    try:
        file = FileIO(path, "a")  # unbuffered: the lock of a buffer that another thread holds would stop the child
    except OSError as error:
        raise no_lock(error) from error
    _open.add(file)
    return file


def no_lock(error: OSError) -> StoreError:
    """What the file system says to a lock, as an error of the store."""
    too_many = error.errno in (errno.EMFILE, errno.ENFILE)
    hint = "Raise its limit: ulimit -n" if too_many else "Check the disk of ROWMILL_HOME."
    return StoreError(f"A lock of the store cannot be had: {error.strerror}.", hint)


def _close_all() -> None:
    for file in list(_open):
        file.close()


os.register_at_fork(after_in_child=_close_all)
