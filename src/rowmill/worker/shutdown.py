"""How a long-lived process ends: gently at the first signal, sooner at the second, at once at the third."""

import signal
import threading
from collections.abc import Callable
from itertools import chain, repeat

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handle_signals(stop: Callable[[], None], abort: Callable[[], None], kill: Callable[[], None]) -> None:
    """Calls ``stop`` at the first of ``STOP_SIGNALS``, ``abort`` at the second and ``kill`` at any further one."""
    steps = chain((stop, abort), repeat(kill))
    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # ignored under nohup
            signal.signal(number, lambda *_: next(steps)())


def call_after(seconds: float, function: Callable[[], None]) -> None:
    """Calls ``function`` in a thread after ``seconds``, unless the process has ended by then."""
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()
