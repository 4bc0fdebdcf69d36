"""Requests about one thing that must not overlap."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_guard = threading.Lock()
_busy: dict[str, tuple[threading.Lock, int]] = {}


@contextmanager
def one_at_a_time(name: str) -> Iterator[None]:
    """Whoever else of this process has the turn ``name`` is waited for."""
    with _guard:
        lock, waiting = _busy.get(name, (threading.Lock(), 0))
        _busy[name] = (lock, waiting + 1)
    try:
        with lock:
            yield
    finally:
        with _guard:
            lock, waiting = _busy[name]
            if waiting == 1:
                del _busy[name]
            else:
                _busy[name] = (lock, waiting - 1)
