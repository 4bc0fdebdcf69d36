"""The verbs of imports and exports: what one commit brings in or takes out, with the counts that it changes.

Rows go by in order and mostly the same way, so that they are settled as ranges (``spans``); only a row that was refused
or superseded gets a line of its own.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rowmill.core.commit import Claim, ControlState
from rowmill.core.job import Attempt
from rowmill.core.status import Action, RowStatus
from rowmill.core.transfer import ExportBatch, ImportBatch, Position, RejectedLine, Span
from rowmill.db.database import Database, DbRow, Maintenance, Transaction
from rowmill.db.values import dump, dump_or_none
from rowmill.ledger.ledger import HELD, claim_lost
from rowmill.ledger.mapping import DATASET_SQL, INSERT_OUTCOME, attempt_row, dataset_of, position_of, settings_of
from rowmill.ledger.merge import SUPERSEDED, Merger, status_of
from rowmill.tables.dataset import Dataset

_ACCOUNT = f"""
UPDATE jobs SET seq = seq + 1, succeeded = succeeded + ?, failed = failed + ?, skipped = skipped + ?,
       created = created + ?, updated = updated + ?, unchanged = unchanged + ?, position = ?,
       total = coalesce(?, total)
WHERE pk = ? AND {HELD} RETURNING requested_action, settings
"""  # noqa: S608 - constants only


@dataclass(slots=True)
class _Counts:
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0

    def add(self, action: str, lines: int = 1) -> None:
        """Counts ``lines`` that were ``action``; a number below zero takes them back."""
        if status_of(action) is RowStatus.SUCCEEDED:
            self.succeeded += lines
        else:
            self.skipped += lines
        if action != SUPERSEDED:
            setattr(self, action, getattr(self, action) + lines)


class Transfers:
    def __init__(self, database: Database, maintenance: Maintenance) -> None:
        self._database = database
        self._maintenance = maintenance

    def commit_import_batch(self, claim: Claim, intake: ImportBatch, now: float) -> ControlState:
        """Merges ``intake`` into the next revision of the dataset, or does nothing. Raises ``ClaimLost``."""
        self._maintenance.maintain()
        with self._database.transaction() as tx:
            seq, position, dataset = _begin(tx, claim)
            merger = Merger(tx, dataset.pk, dataset.revision + 1, claim.job, position.rows)
            merger.upsert(intake) if dataset.schema.key else merger.append(intake)
            counts = _Counts(failed=len(intake.refused))
            for span in merger.spans:
                counts.add(span.code or "", span.hi - span.lo + 1)
            _settle(tx, claim.job, intake, merger.spans)
            _overtake(tx, claim.job, seq, now, merger, counts)
            _refuse(tx, claim.job, seq, now, intake.refused)
            _advance(tx, claim.job, intake.read_to, intake.total)
            changed = position.changed + merger.changed
            return _account(tx, claim, counts, Position(merger.rows, intake.columns, changed), intake.total)

    def commit_export_batch(self, claim: Claim, outtake: ExportBatch) -> ControlState:
        """Notes what is safely in the export's file. Raises ``ClaimLost``."""
        self._maintenance.maintain()
        with self._database.transaction() as tx:
            _held(tx, claim)
            _write_spans(tx, claim.job, [Span(outtake.lo, outtake.hi, RowStatus.SUCCEEDED, None, None)])
            _advance(tx, claim.job, outtake.hi, None)
            return _account(tx, claim, _Counts(succeeded=outtake.hi - outtake.lo + 1), outtake.position, None)

    def rewind(self, claim: Claim) -> None:
        """Lets an export begin anew: its format cannot be gone on with. Raises ``ClaimLost``."""
        with self._database.transaction() as tx:
            _held(tx, claim)
            for table in ("spans", "chunks"):
                tx.execute(f"DELETE FROM {table} WHERE job = ?", (claim.job,))  # noqa: S608 - constants only
            tx.execute("UPDATE jobs SET succeeded = 0, position = NULL WHERE pk = ?", (claim.job,))
            tx.execute(
                "INSERT INTO chunks (job, hi, lo) SELECT pk, total, 1 FROM jobs WHERE pk = ? AND total > 0",
                (claim.job,),
            )

    def next_row(self, claim: Claim) -> int | None:
        """The first row that was never looked at; ``None`` where every one was."""
        lines = self._database.read("SELECT min(lo) FROM chunks WHERE job = ?", (claim.job,))
        return lines[0][0]  # type: ignore[no-any-return]

    def only_again(self, claim: Claim) -> bool:
        """Whether only rows that have failed are to be done, and those never looked at are left alone."""
        return bool(self._database.read("SELECT 1 FROM jobs WHERE pk = ? AND touched_only = 1", (claim.job,)))


def _refuse(tx: Transaction, job: int, seq: int, now: float, refused: Iterable[RejectedLine]) -> None:
    """Writes the outcomes of rows that failed."""
    tx.executemany(
        INSERT_OUTCOME,
        (
            (job, row.number, seq, "failed", dump_or_none(row.values), *_tried("failed", row.code, row.message, now))
            for row in refused
        ),
    )


def _begin(tx: Transaction, claim: Claim) -> tuple[int, Position, Dataset]:
    """The job's next seq, how far it has come, and its dataset."""
    seq, text = _held(tx, claim)
    dataset = dataset_of(tx.execute(f"{DATASET_SQL} WHERE importer = ?", (claim.job,))[0])
    return seq, position_of(text) if text else Position(dataset.rows), dataset


def _held(tx: Transaction, claim: Claim) -> tuple[int, str | None]:
    tx.lock("jobs", claim.job)
    sql = f"SELECT seq + 1, position FROM jobs WHERE pk = ? AND {HELD}"  # noqa: S608 - constants only
    lines = tx.execute(sql, (claim.job, claim.generation, claim.engine))
    if not lines:
        raise claim_lost()
    return lines[0]


def _account(tx: Transaction, claim: Claim, counts: _Counts, position: Position, total: int | None) -> ControlState:
    lines = tx.execute(
        _ACCOUNT,
        (
            counts.succeeded,
            counts.failed,
            counts.skipped,
            counts.created,
            counts.updated,
            counts.unchanged,
            dump(position),
            total,
            claim.job,
            claim.generation,
            claim.engine,
        ),
    )
    requested_action, settings = lines[0]
    return ControlState(Action(requested_action) if requested_action else None, settings_of(settings))


def _settle(tx: Transaction, job: int, intake: ImportBatch, spans: Sequence[Span]) -> None:
    """Settles the lines of one batch; those that were tried again wait no longer."""
    _write_spans(tx, job, spans)
    if intake.retried:
        again = (*intake.numbers, *(row.number for row in intake.refused))
        tx.executemany("DELETE FROM deferred WHERE job = ? AND number = ?", [(job, number) for number in again])


def _overtake(tx: Transaction, job: int, seq: int, now: float, merger: Merger, counts: _Counts) -> None:
    """Lines that were settled before are superseded by lines of this batch."""
    for number, by in merger.overtaken:
        counts.add(_action(tx, job, number), -1)
        counts.add(SUPERSEDED)
        tx.execute(
            "UPDATE outcomes SET superseded = ? WHERE job = ? AND number = ? AND superseded IS NULL", (seq, job, number)
        )
        said = f"Line {by} has the same key."
        tx.execute(INSERT_OUTCOME, (job, number, seq, "skipped", None, *_tried("skipped", SUPERSEDED, said, now)))


def _tried(outcome: str, code: str, message: str, now: float) -> DbRow:
    """The attempt at a row of an import, which calls nothing."""
    return attempt_row(Attempt(0, 1, now, 0.0, outcome, code, message))


def _action(tx: Transaction, job: int, number: int) -> str:
    """What a line that was settled before did."""
    lines = tx.execute(
        """SELECT code FROM outcomes WHERE job = ? AND number = ? AND superseded IS NULL
           UNION ALL
           SELECT code FROM (SELECT code, hi FROM spans WHERE job = ? AND lo <= ? ORDER BY lo DESC LIMIT 1) s
           WHERE hi >= ?""",
        (job, number, job, number, number),
    )
    return str(lines[0][0])


def _write_spans(tx: Transaction, job: int, spans: Sequence[Span]) -> None:
    """Adds ``spans``; the first one continues the last one that is there where it can."""
    lines = [(job, s.lo, s.hi, s.status.value, s.code, s.record) for s in spans]
    if spans and _extended(tx, job, spans[0]):
        del lines[0]
    tx.executemany("INSERT INTO spans (job, lo, hi, status, code, record) VALUES (?, ?, ?, ?, ?, ?)", lines)


def _extended(tx: Transaction, job: int, span: Span) -> bool:
    return bool(
        tx.change(
            """UPDATE spans SET hi = ? WHERE job = ? AND lo = (SELECT max(lo) FROM spans WHERE job = ?)
                 AND hi = ? AND status = ? AND coalesce(code, '') = ?
                 AND coalesce(record + hi - lo + 1, 0) = ?""",
            (span.hi, job, job, span.lo - 1, span.status.value, span.code or "", span.record or 0),
        )
    )


def _advance(tx: Transaction, job: int, done_to: int, total: int | None) -> None:
    """Takes the rows up to ``done_to`` from those never looked at; with ``total`` known there are none beyond it."""
    tx.execute("DELETE FROM chunks WHERE job = ? AND hi <= ?", (job, done_to))
    tx.execute("UPDATE chunks SET lo = ? WHERE job = ? AND lo <= ?", (done_to + 1, job, done_to))
    if total is not None:
        tx.execute("DELETE FROM chunks WHERE job = ? AND lo > ?", (job, total))
        tx.execute("UPDATE chunks SET hi = ? WHERE job = ? AND hi > ?", (total, job, total))
