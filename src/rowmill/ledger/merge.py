"""What the lines of an import do to the records of their dataset: create, update, leave as it is.

Every line is compared with the record as it stood before this import, whatever earlier lines of the same import have
made of it: so the last line of a key counts, and the earlier ones are superseded. The versions that it writes belong to
the dataset's next revision, which nobody sees before the import has ended.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import orjson

from rowmill.core.status import RowStatus
from rowmill.core.transfer import ImportBatch, Span
from rowmill.db.database import Transaction
from rowmill.db.values import dump, placeholders

CREATED, UPDATED, UNCHANGED, SUPERSEDED = "created", "updated", "unchanged", "superseded"

_WRITE = "INSERT INTO records (dataset, number, revision, data)"
_OVER = "ON CONFLICT (dataset, number, revision) DO UPDATE SET data = excluded.data"
_SEE = "INSERT INTO keys (dataset, key, number, job, line)"
_LATER = 1 << 62
"""After every line: a later import has named the key."""

_AGAIN = "ON CONFLICT (dataset, key) DO UPDATE SET job = excluded.job, line = excluded.line"


@dataclass(slots=True)
class _Record:
    """A record that lines of this batch name: its values before this import (``None``: there was none), and now."""

    number: int
    before: str | None
    now: str | None
    last: int
    """The last line of this import that named it; 0: none."""

    stored: bool
    """Whether this import has written a version of it already."""

    place: int | None = None
    """The line of this batch that named it last."""


@dataclass(slots=True)
class Merger:
    """Merges one batch into the next ``revision`` of ``dataset``, which has ``rows`` records so far."""

    tx: Transaction
    dataset: int
    revision: int
    job: int
    rows: int
    spans: list[Span] = field(default_factory=list)
    """What became of the lines."""

    changed: int = 0
    """How many more records than before differ from what stands in the dataset."""

    overtaken: list[tuple[int, int]] = field(default_factory=list)
    """Lines of earlier commits that a line of this one supersedes, with that line."""

    def append(self, intake: ImportBatch) -> None:
        """Adds every line as a record of its own: the dataset has no key."""
        self._create(intake)

    def upsert(self, intake: ImportBatch) -> None:
        """Adds or changes the records that the lines' keys name."""
        known = self._known(intake.keys)
        if not known and len(set(intake.keys)) == len(intake.keys):
            first = self.rows + 1
            self._create(intake)
            named = zip(intake.keys, range(first, self.rows + 1), intake.numbers, strict=True)
            self.tx.insert(_SEE, ((self.dataset, key, number, self.job, line) for key, number, line in named))
        else:
            self._merge(intake, known)
            self._write(known)

    def _create(self, intake: ImportBatch) -> None:
        first = self.rows + 1
        self.rows += len(intake.data)
        self.changed = len(intake.data)
        numbered = enumerate(intake.data, first)
        self.tx.insert(_WRITE, ((self.dataset, number, self.revision, data) for number, data in numbered))
        self.spans = runs(intake.numbers, [CREATED] * len(intake.data), range(first, self.rows + 1))

    def _merge(self, intake: ImportBatch, known: dict[str, _Record]) -> None:
        actions: list[str] = []
        numbers: list[int | None] = []
        for place, (line, key, data) in enumerate(zip(intake.numbers, intake.keys, intake.data, strict=True)):
            record = known.get(key)
            if record is None:
                self.rows += 1
                record = known[key] = _Record(self.rows, None, None, 0, stored=False)
            if record.last > line:  # tried again after a later line, or import, has been applied
                actions.append(SUPERSEDED)
                numbers.append(None)
                continue
            if record.place is not None:
                actions[record.place], numbers[record.place] = SUPERSEDED, None
            elif record.last:
                self.overtaken.append((record.last, line))
            before = record.before
            now = data if intake.covered is None or before is None else overlaid(before, data, intake.covered)
            record.now, record.last, record.place = now, line, place
            actions.append(CREATED if before is None else UNCHANGED if now == before else UPDATED)
            numbers.append(record.number)
        self.spans = runs(intake.numbers, actions, numbers)

    def _known(self, keys: list[str]) -> dict[str, _Record]:
        if not keys:
            return {}
        # One statement with all keys: a join of thousands of points costs far less than thousands of statements.
        lines = self.tx.execute(
            f"""SELECT k.key, k.number, CASE WHEN k.job = ? THEN k.line WHEN k.job > ? THEN {_LATER} ELSE 0 END,
                       (SELECT data FROM records r WHERE r.dataset = k.dataset AND r.number = k.number
                          AND r.revision < ? AND (r.superseded IS NULL OR r.superseded = ?)),
                       CASE WHEN k.job = ? THEN
                           (SELECT data FROM records r WHERE r.dataset = k.dataset AND r.number = k.number
                              AND r.revision = ?) END
                FROM keys k WHERE k.dataset = ? AND k.key IN ({placeholders(len(keys))})""",  # noqa: S608
            (self.job, self.job, self.revision, self.revision, self.job, self.revision, self.dataset, *keys),
        )
        return {
            key: _Record(number, before, before if now is None else now, last, stored=now is not None)
            for key, number, last, before, now in lines
        }

    def _write(self, known: dict[str, _Record]) -> None:
        dataset, revision = self.dataset, self.revision
        touched = [(key, record) for key, record in known.items() if record.place is not None]
        self.tx.insert(_SEE, ((dataset, key, r.number, self.job, r.last) for key, r in touched), _AGAIN)
        changed = [r for _, r in touched if r.now != r.before]
        self.tx.insert(_WRITE, ((dataset, r.number, revision, r.now) for r in changed), _OVER)
        self.tx.executemany(
            """UPDATE records SET superseded = ? WHERE dataset = ? AND number = ? AND revision < ?
               AND superseded IS NULL""",
            [(revision, dataset, r.number, revision) for r in changed if r.before is not None and not r.stored],
        )
        restored = [r for _, r in touched if r.stored and r.now == r.before]
        self.changed = sum(not r.stored for r in changed) - len(restored)
        self.tx.executemany(
            "DELETE FROM records WHERE dataset = ? AND number = ? AND revision = ?",
            [(dataset, r.number, revision) for r in restored],
        )
        self.tx.executemany(
            "UPDATE records SET superseded = NULL WHERE dataset = ? AND number = ? AND superseded = ?",
            [(dataset, r.number, revision) for r in restored],
        )


def runs(lines: Sequence[int], actions: Sequence[str], records: Iterable[int | None]) -> list[Span]:
    """The lines as ranges that went the same way, their records one after the other."""
    spans: list[Span] = []
    lo = hi = 0
    action: str | None = None
    record: int | None = None
    for line, next_action, next_record in zip(lines, actions, records, strict=True):
        follows = next_action == action and line == hi + 1
        if follows and (record is None or next_record == record + line - lo):
            hi = line
            continue
        if action is not None:
            spans.append(Span(lo, hi, status_of(action), action, record))
        lo = hi = line
        action, record = next_action, next_record
    if action is not None:
        spans.append(Span(lo, hi, status_of(action), action, record))
    return spans


def status_of(action: str) -> RowStatus:
    return RowStatus.SUCCEEDED if action in (CREATED, UPDATED) else RowStatus.SKIPPED


def overlaid(before: str, data: str, covered: list[int]) -> str:
    """The values of ``data`` at the places that the file has, those of ``before`` at the others."""
    values, new = orjson.loads(before), orjson.loads(data)
    values += [None] * (len(new) - len(values))
    for place in covered:
        if place < len(values):
            values[place] = new[place] if place < len(new) else None
    while values and values[-1] is None:
        values.pop()
    return dump(values)
