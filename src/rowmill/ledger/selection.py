"""Which records a job works on: a contiguous range needs no line at all, any other choice one per row."""

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from rowmill.core.errors import UsageError
from rowmill.db.database import Transaction

_INSERT = "INSERT INTO selection (job, number, record) VALUES (?, ?, ?)"


def select_ranges(tx: Transaction, job: int, ranges: Iterable[tuple[int, int]]) -> int:
    """Chooses the records of ``ranges``, in order; returns how many they are."""
    following = iter(ranges)
    beginning = list(islice(following, 2))
    if len(beginning) == 1:
        first, last = beginning[0]
        tx.execute("UPDATE jobs SET first_record = ? WHERE pk = ?", (first, job))
        return last - first + 1
    records = (record for first, last in chain(beginning, following) for record in range(first, last + 1))
    return _select(tx, job, records)


def select_left(tx: Transaction, job: int, origin: int, status: str) -> int:
    """Chooses the records that the job ``origin`` left ``failed`` or ``unprocessed``; returns how many they are."""
    lines = {"failed": _failed_numbers, "unprocessed": _unprocessed_numbers}
    try:
        numbers = lines[status](tx, origin)
    except KeyError:
        raise UsageError(f"{status!r} is not what a job leaves.", "Choose failed or unprocessed.") from None
    return _select(tx, job, _records(tx, origin, numbers))


def _select(tx: Transaction, job: int, records: Iterator[int]) -> int:
    last = 0

    def lines() -> Iterator[tuple[int, int, int]]:
        nonlocal last
        for number, record in enumerate(records, 1):
            last = number
            yield job, number, record

    tx.executemany(_INSERT, lines())
    return last


def _failed_numbers(tx: Transaction, job: int) -> list[int]:
    sql = "SELECT number FROM outcomes WHERE job = ? AND status = 'failed' AND superseded IS NULL ORDER BY number"
    return [number for (number,) in tx.execute(sql, (job,))]


def _unprocessed_numbers(tx: Transaction, job: int) -> list[int]:
    waiting = tx.execute(
        "SELECT number FROM deferred WHERE job = ? UNION SELECT number FROM slots WHERE job = ?", (job, job)
    )
    chunks = tx.execute("SELECT lo, hi FROM chunks WHERE job = ?", (job,))
    return sorted([n for (n,) in waiting] + [n for lo, hi in chunks for n in range(lo, hi + 1)])


def _records(tx: Transaction, job: int, numbers: list[int]) -> Iterator[int]:
    """The record numbers behind row ``numbers`` of ``job``, read before anything is written."""
    first = tx.execute("SELECT first_record FROM jobs WHERE pk = ?", (job,))[0][0]
    if first is not None:
        return (first + number - 1 for number in numbers)
    chosen: dict[int, int] = dict(tx.execute("SELECT number, record FROM selection WHERE job = ?", (job,)))
    return (chosen[number] for number in numbers)
