"""Takes a file into the store for an enrichment: whole or not at all."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import orjson

from rowmill.core.errors import InputError, StoreError
from rowmill.files.service import format_of, path_of, upload_of
from rowmill.jobs.spec import FileSource, NamedSource, RowsSource, Source, UploadSource
from rowmill.ledger.store import Store
from rowmill.plugins.contracts import Malformed, Reader
from rowmill.tables.dataset import Dataset
from rowmill.tables.source import OpenSource, open_source

_BATCH = 5000
Reading = Callable[[int], None]
"""Called with the number of rows in the store, before the first one and after each batch; it may raise to stop."""


@contextmanager
def open_file(store: Store, source: Source) -> Iterator[OpenSource]:
    """The file that ``source`` means. Raises ``InputError`` and ``UsageError``."""
    match source:
        case FileSource(location, format_, name):
            with open_source(location, format_) as opened:
                opened.name = name or opened.name
                yield opened
        case NamedSource(name, format_):
            with open_source(name, format_) as opened:
                yield opened
        case UploadSource(id_, format_):
            file = upload_of(store, id_)
            path = str(path_of(store, file.id))
            with open_source(path, format_ or format_of(store, file), sha256=file.sha256) as opened:
                opened.name = file.name
                yield opened
        case RowsSource(rows):
            with _written(store, rows) as path, open_source(path, "jsonl") as opened:
                opened.name = "rows"
                yield opened
        case _:
            raise TypeError(f"{type(source).__name__} is not a file")


@contextmanager
def _written(store: Store, rows: Sequence[dict[str, object]]) -> Iterator[str]:
    """The rows as a file of JSON Lines, removed afterwards."""
    try:
        store.files.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=store.files, prefix="rows.") as file:
            file.writelines(orjson.dumps(row) + b"\n" for row in rows)
            file.flush()
            yield file.name
    except OSError as error:
        raise StoreError(f"The rows cannot be stored: {error.strerror}.", "Check the server's disk.") from error


def take_in(
    store: Store, engine: str, source: OpenSource, check: Callable[[Sequence[str]], None], progress: Reading
) -> Dataset:
    """The dataset with this content: an existing one or a new one. ``check`` is called with the columns as soon as they
    are all known. Raises ``InputError``, and what ``check`` raises; nothing is kept then.

    A new dataset is bound to ``engine`` until a job takes it.
    """
    reader = source.reader()
    known = store.datasets.find(source.content_hash)
    known_early = source.format in ("csv", "tsv")  # in other formats, columns may be added at the end
    if known or known_early:
        check(known.columns if known else reader.columns)
    if known:
        return known
    progress(0)
    store.purge()
    dataset = store.datasets.begin(Path(source.name).name, engine, store.clock())
    try:
        rows = 0
        values = _whole(reader, source.name)
        while batch := [orjson.dumps(row).decode() for row in islice(values, _BATCH)]:
            store.datasets.add(dataset, rows + 1, batch)
            rows += len(batch)
            progress(rows)
        source.check_unchanged()
        if rows == 0:
            raise InputError(f"{source.name} has a header and no rows.", "Give a file with at least one row.")
        if not known_early:
            check(reader.columns)
        store.datasets.seal(dataset, reader.columns, rows, source.content_hash)
    except BaseException:
        put_back(store, dataset)
        raise
    return store.datasets.get(dataset)


def put_back(store: Store, dataset: int) -> None:
    """Undoes ``take_in`` unless a job has taken the dataset."""
    store.datasets.drop(dataset)
    store.purge()


def _whole(reader: Reader, name: str) -> Iterator[list[object]]:
    """The rows of a table of which every row counts: one that cannot be read refuses it all."""
    for row in reader.rows():
        if isinstance(row, Malformed):
            raise InputError(f"Line {row.line} of {name} {row.message}.", row.hint)
        yield row
