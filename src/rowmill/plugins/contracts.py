"""The contracts that a reader, writer, place, processor or provider fulfils; the built-in ones use no other door.

Each is found by an entry point (see ``rowmill.plugins.registry``) whose object is a class or factory.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from rowmill.core.outcome import NO_USAGE, Failed, Outcome, RetryLater, StopJob, Usage

CALL_THREADS = "rowmill-call"
"""How the threads are called, up to a number, in which a processor makes calls that may never end. A worker that has
nothing to do and still has such threads ends, and another takes its place."""


@dataclass(frozen=True, slots=True)
class Malformed:
    """A row that its format cannot give whole: too many cells, a line that is no JSON. ``line`` is where it stands in
    the file, ``message`` says what is wrong as the end of a sentence ("has 12 cells, but …"), ``values`` are what could
    be read of it, in the order of the columns, and ``rest`` is what belongs to no column: cells, or text."""

    line: int
    message: str
    hint: str
    values: list[Any] = field(default_factory=list)
    rest: list[Any] = field(default_factory=list)


class Reader(Protocol):
    """Reads one table format as a stream. Entry point group ``rowmill.readers``, named by the file suffix."""

    columns: list[str]
    """Column names in order. Complete only once ``rows`` is exhausted: JSON Lines may add columns as they register."""

    total: int | None
    """How many rows there are, where the format says so beforehand."""

    def rows(self) -> Iterator[list[Any] | Malformed]:
        """Each row as values in the order of ``columns``; a row may be shorter where columns were added after it.
        A row that cannot be read comes as ``Malformed``. Raises ``InputError`` with the line and the cause where
        nothing after it can be read either."""
        ...


class ReaderFactory(Protocol):
    def __call__(self, file: BinaryIO, name: str) -> Reader:
        """``file`` is seekable and stands at its start; ``name`` is what messages call it. Raises ``InputError`` when
        even the header cannot be read."""
        ...


@dataclass(frozen=True, slots=True)
class Layout:
    """What a written table looks like."""

    columns: Sequence[str]
    safe_cells: bool = False
    """Text that a spreadsheet would take for a formula is kept from being one."""

    scratch: Path | None = None
    """A directory for files that are of no use afterwards; ``None``: the machine's own."""

    resumed: bool = False
    """The file holds the beginning already (header included) and stands at its end: only for ``resumable`` formats."""


class Writer(Protocol):
    """Writes one table format as a stream. Entry point group ``rowmill.writers``, named by the file suffix."""

    def write(self, rows: Sequence[Sequence[Any]]) -> None:
        """Appends rows; values are what JSON knows (str, int, float, bool, None, list, dict). For a ``resumable``
        format every row is with the file once this returns."""
        ...

    def close(self) -> None:
        """Finishes the format; the file itself is the caller's to close."""
        ...


class WriterFactory(Protocol):
    resumable: bool
    """A file that was cut off after any ``write`` can be gone on with."""

    def __call__(self, file: BinaryIO, layout: Layout) -> Writer:
        """``file`` is open for reading and writing and seekable. Raises ``UsageError`` for what the format cannot
        hold."""
        ...


@dataclass(frozen=True, slots=True)
class Guard:
    """Bounds where a URL may lead that somebody else gave. ``check`` is called with every address that the URL leads on
    to, before that is asked, and raises where it is not allowed; ``private`` says whether addresses may be asked that
    are not of the public internet (see ``rowmill.net.public_socket``)."""

    check: Callable[[str], None]
    private: bool = False


class Storage(Protocol):
    """Where tables are fetched from and put to. Entry point group ``rowmill.storage``, named by the URL's scheme; calls
    block and run in threads."""

    def fetch(self, url: str, file: BinaryIO, tell: Callable[[int], None], guard: Guard | None = None) -> None:
        """Writes what ``url`` holds into ``file``; ``tell`` hears how many bytes have come so far, and may raise to
        stop. With a ``guard`` the place follows the URL only where that allows it; one that reaches nothing but the
        servers that its own settings name has nothing to ask it. Raises ``InputError`` where it cannot be read."""
        ...

    def exists(self, url: str) -> bool:
        """Whether there is something at ``url`` already. Raises ``UsageError`` where that cannot be told."""
        ...

    def put(self, path: Path, url: str, tell: Callable[[int], None]) -> None:
        """Makes the file at ``path`` register at ``url`` in one step, or not at all. Raises ``UsageError`` where it
        cannot be written."""
        ...


class Processor(Protocol):
    """What is done to a row. Entry point group ``rowmill.processors``; made once per step and engine."""

    limit_key: str | None
    """Whose limits a call counts against: equal for everything that shares a provider's quota; ``None``: no limits."""

    max_concurrency: int | None
    """The most calls it can usefully have in flight; ``None``: no bound of its own."""

    async def open(self) -> None:
        """Called once, before the first row, inside the engine's event loop."""
        ...

    async def process(self, values: Mapping[str, Any]) -> Outcome:
        """Works one row: its columns, and the outputs of earlier steps. The engine applies the timeout; a cancelled
        call must end. An exception that escapes is retried as ``function_error``."""
        ...

    def weigh(self, values: Mapping[str, Any]) -> int:
        """Tokens that this row may use, at a guess, for ``--tpm`` and ``--budget``; 0 where tokens mean nothing."""
        ...

    async def close(self) -> None: ...


class ProcessorFactory(Protocol):
    def __call__(self, config: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]) -> Processor:
        """``config`` is the step's own settings as stored with the job; ``outputs`` maps each output column to its
        JSON Schema. Raises ``UsageError`` where they cannot work; nothing is called yet."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One model call. ``schema`` is the JSON Schema of the whole answer, ``None`` for plain text."""

    messages: list[dict[str, str]]
    schema: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Model settings passed on as they are: temperature, max_tokens, seed …"""


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's answer: its text, what it used, and for how many seconds the connection should now rest, if at all."""

    text: str
    usage: Usage = NO_USAGE
    hold: float | None = None


class Provider(Protocol):
    """How models are reached. Entry point group ``rowmill.providers``, named as in ``--model NAME/MODEL``."""

    limit_key: str | None
    max_concurrency: int | None

    async def open(self) -> None: ...

    async def complete(self, request: Request) -> Completion | Failed | RetryLater | StopJob: ...

    async def check(self) -> Failed | RetryLater | StopJob | None:
        """Asks the other side, as cheaply as can be, whether it would answer, of the model where there is one;
        ``None``: it would. Called after ``open``."""
        ...

    async def close(self) -> None: ...


class ProviderFactory(Protocol):
    def __call__(self, model: str, config: Mapping[str, Any]) -> Provider:
        """``model`` is what follows ``NAME/``, and is empty where only ``check`` will be called. ``config`` holds
        ``base_url`` and ``api_key_env`` (the environment variable with the key), or for a connection its name as
        ``connection``, ``base_url`` and ``api_key``. Raises ``UsageError`` where the model cannot be reached from here
        at all."""
        ...
