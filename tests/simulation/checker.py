"""Watches one job in the store and says which promise was broken, as soon as it was."""

from collections import Counter, defaultdict
from itertools import chain
from typing import Any

from rowmill.core.commit import Batch, Claim, ControlState
from rowmill.core.job import Job
from rowmill.ledger.store import Store


class Broken(AssertionError):
    """A promise of the design was broken."""


_ATTEMPT = "code, step, attempt, tokens_in, tokens_out"


class Checker:
    """Stands between the engine and ``store``'s commits. ``gate_code`` is that of refusals that cost no attempt."""

    def __init__(self, store: Store, job: int, gate_code: str) -> None:
        self._store, self._job, self._gate_code = store, job, gate_code
        self._save = store.ledger.commit
        store.ledger.commit = self._commit  # type: ignore[method-assign]
        self._allowed = 0
        self._wished: Claim | None = None
        self._may_begin: Counter[int] = Counter()
        self._started = self._ended = self._aborted = self._unburnt = self._begun = 0
        self._broken: Broken | None = None
        self.alive_at = 0.0
        self.calls: list[tuple[float, int, int]] = []

    def engine_begins(self, concurrency: int) -> None:
        self._allowed = concurrency
        self._wished = None
        self._may_begin.clear()
        self.alive_at = self._store.clock()

    def concurrency_is(self, concurrency: int) -> None:
        """Calls in flight end in their own time when it shrinks, so the highest counts."""
        self._allowed = max(self._allowed, concurrency)

    def wish_taken_back(self) -> None:
        self._wished = None

    def call_begins(self, number: int, step: int) -> None:
        self._must(self._lines("slots", "step", f"AND number = {number}") == [(step,)], f"row {number} has no slot")
        settled = self._lines("outcomes", "status", f"AND number = {number} AND superseded IS NULL")
        self._must(not settled, f"row {number} is called again although it is {settled}")
        same = f"AND number = {number} AND step = {step} AND outcome = 'succeeded'"
        done = self._lines("attempts", "1", same)
        self._must(not done, f"step {step} of row {number} is called again although it succeeded")
        self._must(self._may_begin[number] > 0, f"row {number} is called twice for one start")
        self._may_begin[number] -= 1
        self._begun += 1
        self.alive_at = self._store.clock()
        self.calls.append((self.alive_at, number, step))

    def check(self) -> None:
        """Every row is in exactly one place, the counts say so, and no call is unaccounted for."""
        self._must(True, "")
        job = self._store.browse.job(self._job)
        places = {
            "outcomes": [n for (n,) in self._lines("outcomes", "number", "AND superseded IS NULL")],
            "deferred": [n for (n,) in self._lines("deferred", "number")],
            "slots": [n for (n,) in self._lines("slots", "number")],
            "chunks": [n for lo, hi in self._lines("chunks", "lo, hi") for n in range(lo, hi + 1)],
        }
        total = job.counts.total or 0
        whole = sorted(chain(*places.values())) == list(range(1, total + 1))
        self._must(whole, f"rows are not partitioned: {places}")
        statuses = Counter(status for (status,) in self._lines("outcomes", "status", "AND superseded IS NULL"))
        counted = (job.counts.succeeded, job.counts.failed)
        self._must(counted == (statuses["succeeded"], statuses["failed"]), f"counted {counted}, stored {statuses}")
        self._account(job.uncertain, len(places["slots"]))
        self._check_usage(job)

    def check_end(self) -> None:
        """Nothing is in flight or held, each row has the attempts that it should have, and the sums are right."""
        self.engine_ended()
        job = self._store.browse.job(self._job)
        executions = self._store.browse.executions(self._job)
        self._must(all(e.finished_at is not None for e in executions), "an execution has not ended")
        self._must(sum(e.uncertain for e in executions) == job.uncertain, "uncertain calls do not add up")
        made = self._attempts() + self._crashed()
        self._must(
            job.tokens_in == sum(a[-2] for a in made) and job.tokens_out == sum(a[-1] for a in made),
            "tokens do not add up",
        )
        by_row: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for attempt in sorted(made):
            by_row[attempt[0]].append(attempt)
        for number, attempts in by_row.items():
            self._check_attempts(number, attempts, job.settings.max_attempts)

    def _check_usage(self, job: Job) -> None:
        """Usage is what the saved attempts add up to, no more and no less, and keeps within its limit."""
        used = self._store.usage.month(self._store.clock())
        settled = self._lines("outcomes", "1", "AND coalesce(code, '') <> 'crashed_process'")
        counted = (used.rows, used.attempts, used.tokens_in, used.tokens_out, used.cost)
        made = (len(settled), len(self._attempts()), job.tokens_in, job.tokens_out, job.cost)
        self._must(counted == made, f"usage says {counted}, and the attempts {made}")
        limit = self._store.usage.limits().rows
        self._must(limit is None or used.rows <= limit, f"{used.rows} rows are used where {limit} may be")

    def engine_ended(self) -> None:
        """An engine that ends in peace lets go of everything."""
        for table in ("slots", "claims"):
            self._must(not self._lines(table, "*"), f"{table} are left")

    def _commit(self, claim: Claim, batch: Batch) -> ControlState:
        stopped = self._wished == claim
        poll_control = self._save(claim, batch)
        self._must(not (stopped and batch.starts), "rows were started after the commit that saw the request to stop")
        self._wished = claim if poll_control.requested_action else None
        self._may_begin.update(start.task.number for start in batch.starts)
        self._started += len(batch.starts)
        self._ended += len(batch.settled) + len(batch.postponed)
        self._aborted += batch.uncertain
        self._unburnt += sum(p.attempt is None for p in batch.postponed) - batch.uncertain
        self.alive_at = self._store.clock()
        self.check()
        return poll_control

    def _account(self, uncertain: int, occupied: int) -> None:
        buried = uncertain - self._aborted
        self._must(
            self._started == self._ended + buried + occupied,
            f"{self._started} starts, but {self._ended} ended, {buried} lost in crashes, {occupied} in flight",
        )
        self._must(occupied <= self._allowed, f"{occupied} rows are in flight where {self._allowed} may be")
        saved = len(self._attempts())
        self._must(saved == self._ended - self._aborted - self._unburnt, f"{saved} attempts for {self._ended} calls")
        unsaved = self._begun - saved - self._unburnt
        self._must(unsaved <= uncertain + occupied, f"{unsaved} calls were not saved, {uncertain} are uncertain")

    def _check_attempts(self, number: int, attempts: list[tuple[Any, ...]], max_attempts: int) -> None:
        step = used = 0
        for _, _, outcome, code, at_step, attempt, *_ in attempts:
            where = f"row {number}: {attempts}"
            self._must((at_step, attempt) == (step, used + 1), f"attempts out of order, {where}")
            self._must(attempt <= max_attempts, f"more attempts than allowed, {where}")
            match outcome:
                case "put_off":
                    used += code != self._gate_code
                case "succeeded":
                    step, used = step + 1, 0
                case "failed":
                    retried = code in ("flaky", "timeout", "function_error")
                    self._must(not retried or attempt == max_attempts, f"gave up too early, {where}")
                    used = 0  # a retry goes on at the step that failed

    def _attempts(self) -> list[tuple[Any, ...]]:
        """(number, seq, outcome, code, step, attempt, tokens in, tokens out) of all that were saved."""
        put_off = self._lines("attempts", f"number, seq, outcome, {_ATTEMPT}")
        return put_off + self._lines(
            "outcomes", f"number, seq, status, {_ATTEMPT}", "AND coalesce(code, '') <> 'crashed_process'"
        )

    def _crashed(self) -> list[tuple[Any, ...]]:
        """The same of rows that were failed at their third crash: no call ended there."""
        return self._lines("outcomes", f"number, seq, status, {_ATTEMPT}", "AND code = 'crashed_process'")

    def _lines(self, table: str, columns: str, where: str = "") -> list[tuple[Any, ...]]:
        return self._store.database.read(f"SELECT {columns} FROM {table} WHERE job = ? {where}", (self._job,))

    def _must(self, holds: object, otherwise: str) -> None:
        """Remembers what was broken first: raised inside a call, it would pass for an error of the processor's."""
        if not holds and self._broken is None:
            self._broken = Broken(otherwise)
        if self._broken:
            raise self._broken
