"""The log of a long-lived process: every line with its time, level, event, and the job and row that it is about.

Whatever is logged through the standard library is rendered here, by structlog, and goes to stderr. Local variables are
never part of a traceback: they hold rows and keys.
"""

import logging
import sys
from typing import TYPE_CHECKING, Any

from rowmill.core.errors import UsageError

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

_FIRST = ("timestamp", "level", "event", "job", "row")
_NOISE = ("color_message",)
"""What uvicorn adds to its records for itself."""

_CHATTY = ("uvicorn.error",)
"""What tells of its own steps more than anybody wants to know."""


def configure(format: str = "text", level: str = "info") -> None:  # noqa: A002 - the option is called so
    """Sends the log to stderr, as ``text`` for people or ``json``, one object a line. ``level`` is the least that is
    logged: ``debug``, ``info``, ``warning`` or ``error``. Raises ``UsageError`` where structlog is not installed."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(format))
    root = logging.getLogger()
    for other in root.handlers[:]:
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.INFO if level == "debug" else logging.WARNING)


def _formatter(format_: str) -> logging.Formatter:
    try:
        import structlog  # noqa: PLC0415 - an extra, and nothing for the commands that end at once
    except ModuleNotFoundError as error:
        raise UsageError("The log needs structlog.", "Install it with: pip install 'rowmill[serve]'") from error
    renderers: list[Processor]
    if format_ == "text":
        plain = structlog.dev.plain_traceback
        colors = sys.stderr.isatty()
        renderers = [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain, sort_keys=False)]
    else:
        renderers = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _ordered, *renderers],
    )


def _ordered(_logger: Any, _method: str, told: "EventDict") -> "EventDict":
    """What every line has stands first."""
    first = {name: told[name] for name in _FIRST if name in told}
    return first | {name: value for name, value in told.items() if name not in _NOISE}
