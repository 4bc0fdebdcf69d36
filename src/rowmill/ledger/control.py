"""What a user says to a job, and a job's beginning and end in the store.

A job that a living engine holds gets a requested action, which the engine obeys; any other changes at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson

from rowmill.core.errors import Busy, NotFound, UsageError
from rowmill.core.job import Job, JobDraft
from rowmill.core.messages import Message
from rowmill.core.status import Action, JobStatus, JobType, PauseReason, sources, target
from rowmill.core.transfer import IMPORTABLE_TO
from rowmill.db.database import Database, Presence, Transaction
from rowmill.db.values import dump, dump_or_none, new_id, placeholders
from rowmill.ledger.datasets import found_or_made, keep_schema, reserve
from rowmill.ledger.events import note, note_status
from rowmill.ledger.files import attach, drop_downloads
from rowmill.ledger.ledger import reopen
from rowmill.ledger.mapping import refuse, settings_of, spec_of
from rowmill.ledger.publish import publish
from rowmill.ledger.recovery import recover, recover_claim
from rowmill.ledger.selection import select_left, select_ranges
from rowmill.tables.dataset import Target

_REASON = "CASE WHEN ? = 'user' THEN 'user' ELSE coalesce({}, ?) END"
"""A user's own reason to pause takes the place of the engine's: then the job does not go on by itself."""


class Control:
    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence

    def insert(self, draft: JobDraft, now: float, into: Target | None = None) -> int:
        """Stores a new job with its rows; returns its number. An import goes ``into`` a dataset. Raises ``Busy`` if an
        unfinished import goes into it already."""
        with self._database.transaction() as tx:
            return _insert(tx, draft, now, into)

    def find_or_insert(
        self, draft: JobDraft, now: float, *, repeats: bool, into: Target | None = None
    ) -> tuple[int, bool]:
        """The number of the job that is the same run, or of a new one; and whether it is new. If the draft ``repeats``,
        a job that has completed is not the same. Raises as ``insert``."""
        with self._database.transaction() as tx:
            tx.serialize(f"identity {draft.identity}")
            sql = "SELECT max(pk) FROM jobs WHERE identity = ? AND status <> 'cancelled' AND NOT (? AND status = ?)"
            known = tx.execute(sql, (draft.identity, repeats, JobStatus.COMPLETED))[0][0]
            return (known, False) if known else (_insert(tx, draft, now, into), True)

    def pause(self, job: int, now: float, reason: PauseReason = PauseReason.USER) -> None:
        recover(self._database, self._presence, job, now)
        with self._database.transaction() as tx:
            tx.lock("jobs", job)
            requested = tx.change(
                f"""UPDATE jobs SET requested_action = coalesce(requested_action, 'pause'),
                           requested_reason = {_REASON.format("requested_reason")}
                    WHERE pk = ? AND status = 'running' AND EXISTS (SELECT 1 FROM claims WHERE job = pk)""",  # noqa: S608
                (reason, reason, job),
            )
            if not requested:
                changes = f"pause_reason = {_REASON.format('pause_reason')}"
                self._move(tx, job, Action.PAUSE, changes, (reason, reason))
                note_status(tx, job, now)

    def cancel(self, job: int, now: float) -> None:
        if recover(self._database, self._presence, job, now) is Action.CANCEL:
            return
        with self._database.transaction() as tx:
            tx.lock("jobs", job)
            requested = tx.change(
                """UPDATE jobs SET requested_action = 'cancel', requested_reason = NULL
                   WHERE pk = ? AND status = 'running' AND EXISTS (SELECT 1 FROM claims WHERE job = pk)""",
                (job,),
            )
            if not requested:
                self._move(
                    tx,
                    job,
                    Action.CANCEL,
                    "requested_action = NULL, pause_reason = NULL, error = NULL, finished_at = ?",
                    (now,),
                )
                publish(tx, job)
                drop_downloads(tx, "pk", job)
                note_status(tx, job, now)

    def resume(self, job: int, now: float, *, detached: bool = False) -> None:
        """Takes a pause back that is still being obeyed, or lets the job go on when an engine claims it: any worker's
        if ``detached``, else the caller's own.

        Raises ``Busy`` where a living engine works it already, or is about to cancel it.
        """
        recover(self._database, self._presence, job, now)
        with self._database.transaction() as tx:
            tx.lock("jobs", job)
            if tx.change(
                """UPDATE jobs SET requested_action = NULL, requested_reason = NULL
                   WHERE pk = ? AND requested_action = 'pause'""",
                (job,),
            ):
                return
            self._refuse_held(tx, job)
            changes = "pause_reason = NULL, error = NULL, finished_at = NULL, detached = ?"
            self._move(tx, job, Action.RESUME, changes, (int(detached),))
            note_status(tx, job, now)

    def retry(
        self,
        job: int,
        now: float,
        *,
        failed_only: bool = False,
        codes: Sequence[str] = (),
        ranges: Sequence[tuple[int, int]] = (),
        detached: bool = False,
    ) -> int:
        """Takes failed rows back to pending, all or those with one of ``codes`` and in one of ``ranges``; returns how
        many. Who works them then is as for ``resume``. Raises ``UsageError`` where a completed job has no such row."""
        recover(self._database, self._presence, job, now)
        with self._database.transaction() as tx:
            tx.lock("jobs", job)
            self._refuse_held(tx, job)
            _refuse_whole(tx, job)
            numbers = _failed(tx, job, codes, ranges)
            unfinished = tx.execute("SELECT 1 FROM jobs WHERE pk = ? AND status <> 'completed'", (job,))
            if not numbers and (failed_only or not unfinished):
                raise UsageError(Message.NO_FAILED_ROW)
            self._move(
                tx,
                job,
                Action.RETRY,
                """pause_reason = NULL, error = NULL, finished_at = NULL, dismissed = 0, seq = seq + 1,
                   failed = failed - ?, touched_only = ?, tolerated = NULL, detached = ?""",
                (len(numbers), int(failed_only), int(detached)),
            )
            seq, generation = tx.execute("SELECT seq, generation FROM jobs WHERE pk = ?", (job,))[0]
            reopen(tx, job, seq, generation, numbers)
            _reserve_again(tx, job)
            note_status(tx, job, now)
        return len(numbers)

    def dismiss(self, job: int) -> None:
        with self._database.transaction() as tx:
            self._move(tx, job, Action.DISMISS, "dismissed = 1", ())

    def recover(self, job: int, now: float) -> None:
        """Frees the job where the engine that had it is dead; an action requested meanwhile takes effect."""
        recover(self._database, self._presence, job, now)

    def take_over(self, job: int, now: float) -> None:
        """Takes the job from an engine that is alive but does not answer; what it commits later is refused."""
        with self._database.transaction() as tx:
            tx.lock("jobs", job)
            for (generation,) in tx.execute("SELECT generation FROM claims WHERE job = ?", (job,)):
                recover_claim(tx, job, generation, now)

    def release_own_claim(self, job: int, engine: str, now: float) -> bool:
        """Takes the job from ``engine``, which lives but has lost track of it, so that it counts as interrupted;
        ``False`` where that does not hold it."""
        with self._database.transaction() as tx:
            tx.lock("jobs", job)
            held = tx.execute("SELECT generation FROM claims WHERE job = ? AND engine = ?", (job, engine))
            for (generation,) in held:
                recover_claim(tx, job, generation, now)
        return bool(held)

    def update(
        self,
        job: int,
        settings: Mapping[str, Any],
        *,
        name: str | None = None,
        metadata: dict[str, Any] | None = None,
        seen: Job | None = None,
    ) -> bool:
        """Changes ``settings`` by name, what people call the job, or their notes to it; a running engine follows within
        a moment. Returns ``False``, and changes nothing, if any of these is no longer as it was ``seen``."""
        with self._database.transaction() as tx:
            tx.lock("jobs", job)
            lines = tx.execute("SELECT name, metadata, settings FROM jobs WHERE pk = ?", (job,))
            if not lines:
                raise NotFound(Message.JOB_DELETED)
            before = (lines[0][0], orjson.loads(lines[0][1]), settings_of(lines[0][2]))
            if seen and before != (seen.name, seen.metadata, seen.settings):
                return False
            tx.execute(
                "UPDATE jobs SET name = coalesce(?, name), metadata = coalesce(?, metadata), settings = ? WHERE pk = ?",
                (name, dump_or_none(metadata), dump(replace(before[2], **settings)), job),
            )
        return True

    def delivered(self, job: int, result_version: str) -> None:
        """Notes the output file as it is about to be put in place, so that none is missing any more."""
        with self._database.transaction() as tx:
            tx.execute("UPDATE jobs SET delivered = ?, error = NULL WHERE pk = ?", (result_version, job))

    def delete(self, job: int, now: float) -> None:
        """Removes the job; ``purge`` removes its rows' outcomes, and its dataset where nothing else needs that. What an
        import has brought in stays. Raises ``UsageError`` where an export still reads from the job."""
        recover(self._database, self._presence, job, now)
        with self._database.transaction() as tx:
            tx.lock("jobs", job)
            self._refuse_held(tx, job)
            _refuse_needed(tx, job)
            publish(tx, job)
            note(tx, "job.deleted", job, now)
            drop_downloads(tx, "pk", job)
            legal = sources(Action.DELETE)
            where = f"DELETE FROM jobs WHERE pk = ? AND status IN ({placeholders(len(legal))})"  # noqa: S608
            if not tx.change(where, (job, *legal)):
                raise refuse(tx, job, Action.DELETE)

    def delete_dataset(self, dataset: int, now: float, *, with_jobs: bool = False) -> list[str]:
        """Removes the dataset with its imports and exports, and its enrichments if ``with_jobs``, which must all have
        ended; returns their ids. Raises ``UsageError`` where another job needs it. ``purge`` removes its records."""
        ended = (JobStatus.COMPLETED.value, JobStatus.CANCELLED.value)
        with self._database.transaction() as tx:
            tx.lock("datasets", dataset)
            for (pk,) in tx.execute("SELECT pk FROM jobs WHERE dataset = ? ORDER BY pk", (dataset,)):
                tx.lock("jobs", pk)
            needing = tx.execute(
                f"""SELECT id, type, status FROM jobs WHERE dataset = ?
                    AND ((type = 'enrichment' AND NOT ?) OR status NOT IN ({placeholders(len(ended))}))
                    ORDER BY CASE WHEN status IN ({placeholders(len(ended))}) THEN 1 ELSE 0 END, pk""",  # noqa: S608
                (dataset, with_jobs, *ended, *ended),
            )
            if needing:
                id_, type_, status = needing[0]
                more = f" and {len(needing) - 1} more" if len(needing) > 1 else ""
                jobs = f"the {type_} {id_}{more}"
                if status in ended:
                    raise Busy(Message.DATASET_HAS_JOBS, jobs=jobs, status=status)
                raise Busy(Message.DATASET_IN_USE, jobs=jobs, status=status, job=id_)
            for (pk,) in tx.execute("SELECT pk FROM jobs WHERE dataset = ?", (dataset,)):
                note(tx, "job.deleted", pk, now)
            drop_downloads(tx, "dataset", dataset)
            gone = [id_ for (id_,) in tx.execute("DELETE FROM jobs WHERE dataset = ? RETURNING id", (dataset,))]
            tx.execute("DELETE FROM datasets WHERE pk = ?", (dataset,))
        return gone

    @staticmethod
    def _move(tx: Transaction, job: int, verb: Action, changes: str, params: tuple[object, ...]) -> None:
        """Applies ``verb`` by the transition table, in one guarded statement."""
        legal = sources(verb)
        cases = " ".join("WHEN ? THEN ?" for _ in legal)
        targets = [value for status in legal for value in (status, target(status, verb))]
        moved = tx.change(
            f"""UPDATE jobs SET status = CASE status {cases} END, {changes}
                WHERE pk = ? AND status IN ({placeholders(len(legal))})""",  # noqa: S608 - constants only
            (*targets, *params, job, *legal),
        )
        if not moved:
            raise refuse(tx, job, verb)

    @staticmethod
    def _refuse_held(tx: Transaction, job: int) -> None:
        held = tx.execute(
            """SELECT pid, requested_action FROM claims JOIN jobs ON pk = job LEFT JOIN engines ON engines.id = engine
               WHERE job = ?""",
            (job,),
        )
        if held:
            pid, requested = held[0]
            raise Busy(Message.JOB_BEING_CANCELLED if requested == Action.CANCEL else Message.JOB_BUSY, pid=pid)


def _insert(tx: Transaction, draft: JobDraft, now: float, into: Target | None) -> int:
    if into:
        dataset = found_or_made(tx, into.name, now)
        keep_schema(tx, dataset.pk, dataset.schema.merged(into.schema))
        draft = replace(draft, dataset=dataset.pk)
    if not tx.change("UPDATE datasets SET loader = NULL WHERE pk = ?", (draft.dataset,)):
        raise UsageError(Message.DATASET_DELETED)
    if (
        draft.extract
        and draft.extract.origin
        and not tx.execute("SELECT 1 FROM jobs WHERE pk = ?", (draft.extract.origin,))
    ):
        raise UsageError(Message.JOB_DELETED)
    attach(tx, draft, now)
    pk: int = tx.execute(
        """INSERT INTO jobs (id, type, name, status, dismissed, touched_only, identity, spec, settings, dataset,
                             revision, result_version, origin, metadata, file, detached, generation, seq, succeeded,
                             failed, skipped, uncertain, tokens_in, tokens_out, cost, created_at, pause_reason)
           VALUES (?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, 0, 0, 0, ?, ?) RETURNING pk""",
        (
            draft.id or new_id("job"),
            draft.type,
            draft.name,
            JobStatus.PAUSED if draft.held else JobStatus.PENDING,
            draft.identity,
            spec_of(draft),
            dump(draft.settings),
            draft.dataset,
            draft.revision,
            draft.result_version,
            draft.extract.origin if draft.extract else None,
            dump(draft.metadata),
            draft.file,
            int(draft.detached),
            now,
            PauseReason.USER if draft.held else None,
        ),
    )[0][0]
    total = None if draft.type is JobType.IMPORT else _select(tx, pk, draft)
    tx.execute("UPDATE jobs SET total = ? WHERE pk = ?", (total, pk))
    if total != 0:
        tx.execute("INSERT INTO chunks (job, hi, lo) VALUES (?, ?, 1)", (pk, total or IMPORTABLE_TO))
    if into:
        _reserve(tx, draft.dataset, pk)
    note(tx, "job.created", pk, now)
    return pk


def _select(tx: Transaction, job: int, draft: JobDraft) -> int:
    """Chooses the job's rows; returns how many they are. Raises ``UsageError`` where there are none."""
    if draft.rows is not None:
        total = draft.rows
    elif draft.from_job is None:
        total = select_ranges(tx, job, draft.selection)
    else:
        total = select_left(tx, job, draft.from_job, draft.from_status or "failed")
    if total == 0 and draft.type is not JobType.EXPORT:  # the file of an export may have a header alone
        raise UsageError("There is no row to work on.", "Choose other rows.")
    return total


def _reserve(tx: Transaction, dataset: int, job: int) -> None:
    other = reserve(tx, dataset, job)
    if other is not None:
        id_, status = tx.execute("SELECT id, status FROM jobs WHERE pk = ?", (other,))[0]
        raise Busy(Message.DATASET_BEING_IMPORTED, job=id_, status=status)


def _reserve_again(tx: Transaction, job: int) -> None:
    """An import that had ended begins another revision."""
    ended = tx.execute(
        """SELECT dataset FROM jobs j JOIN datasets d ON d.pk = dataset
           WHERE j.pk = ? AND type = 'import' AND coalesce(importer, 0) <> j.pk""",
        (job,),
    )
    for (dataset,) in ended:
        _reserve(tx, dataset, job)
        tx.execute("UPDATE jobs SET position = NULL WHERE pk = ?", (job,))


def _refuse_whole(tx: Transaction, job: int) -> None:
    """An export's file is written as a whole."""
    if tx.execute("SELECT 1 FROM jobs WHERE pk = ? AND type = 'export'", (job,)):
        raise UsageError("The failed rows of an export cannot be retried alone.", "Fix their values and export again.")


def _refuse_needed(tx: Transaction, job: int) -> None:
    legal = sources(Action.CANCEL)
    reading = tx.execute(
        f"""SELECT id FROM jobs WHERE type = 'export' AND status IN ({placeholders(len(legal))})
            AND origin = ?""",  # noqa: S608 - placeholders only
        (*legal, job),
    )
    if reading:
        raise Busy(f"{reading[0][0]} has not finished exporting its rows.", "Let it end or cancel it first.")
    using = tx.execute(
        f"""SELECT id FROM jobs WHERE status IN ({placeholders(len(legal))}) AND result_version > 0 AND pk <> ?
            AND dataset = (SELECT dataset FROM jobs WHERE pk = ?)
            AND EXISTS (SELECT 1 FROM results WHERE job = ?)""",  # noqa: S608 - placeholders only
        (*legal, job, job, job),
    )
    if using:
        hint = "Let it end or cancel it first."
        raise Busy(f"{using[0][0]} has not ended and may use the columns that this job has added.", hint)


def _failed(tx: Transaction, job: int, codes: Sequence[str], ranges: Sequence[tuple[int, int]]) -> list[int]:
    """The numbers of the failed rows that match."""
    where = "job = ? AND status = 'failed' AND superseded IS NULL"
    params: list[object] = [job]
    if codes:
        where += f" AND code IN ({placeholders(len(codes))})"
        params += codes
    if ranges:
        where += " AND (" + " OR ".join("number BETWEEN ? AND ?" for _ in ranges) + ")"
        params += [bound for pair in ranges for bound in pair]
    sql = f"SELECT number FROM outcomes WHERE {where} ORDER BY number"  # noqa: S608 - placeholders only
    return [number for (number,) in tx.execute(sql, params)]
