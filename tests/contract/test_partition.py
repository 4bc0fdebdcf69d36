"""Whatever happens to a job, every row is in exactly one place and every count is what the lines say."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rowmill.core.commit import Batch, Chunk, Due, Postponed, Settled, Start, Task
from rowmill.core.errors import Busy, ClaimLost, IllegalTransition, UsageError
from rowmill.core.job import Attempt, JobError
from rowmill.core.outcome import Usage
from rowmill.core.status import Action, JobStatus, PauseReason, RowStatus
from rowmill.core.usage import Used

from .bench import NOW, TODAY, Bench
from .ledger_model import IN_FLIGHT, UNTOUCHED, WAITING, JobModel, Outcome, RowModel

CONCURRENCY = 3
RECORDS = 20
FINISHES = [
    (Action.COMPLETE, None),
    (Action.PAUSE, None),
    (Action.PAUSE, PauseReason.BUDGET),
    (Action.CANCEL, None),
    (Action.FAIL, None),
    (Action.RELEASE, None),
]
usages = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 10**12))


class Life(RuleBasedStateMachine):
    """One job after the other in one store, each worked, disturbed and watched."""

    def __init__(self, bench: Bench, dataset: int) -> None:
        super().__init__()
        self.bench = bench
        self.dataset = dataset
        self.pins: list[tuple[int, int, dict[int, Outcome]]] = []
        self.made = 0

    @initialize(total=st.integers(1, RECORDS))
    def submit(self, total: int) -> None:
        self._begin(self.bench.job(total, dataset=self.dataset), list(range(1, total + 1)))

    @precondition(lambda self: self.status in (JobStatus.COMPLETED, JobStatus.CANCELLED))
    @rule(total=st.integers(1, RECORDS), delete=st.booleans())
    def submit_another(self, total: int, delete: bool) -> None:
        if delete:
            self.bench.control.delete(self.pk, NOW)
            self.bench.store.purge()
            assert not any(self.bench.lines(self.pk).values())
            self.pins = [pin for pin in self.pins if pin[0] != self.pk]
        self.submit(total)

    @precondition(lambda self: self.status is JobStatus.CANCELLED)
    @rule(status=st.sampled_from(["failed", "unprocessed"]))
    def submit_the_rest(self, status: str) -> None:
        unprocessed = self.job.numbers(UNTOUCHED, WAITING, IN_FLIGHT)
        left = self.job.numbers(RowStatus.FAILED) if status == "failed" else unprocessed
        try:
            pk = self.bench.rest(self.bench.browse.job(self.pk), status)
        except UsageError:
            assert not left
        else:
            self._begin(pk, [self.records[number - 1] for number in left])

    @precondition(lambda self: self.status in (JobStatus.PENDING, JobStatus.RUNNING))
    @rule(data=st.data(), commits=st.integers(0, 3), size=st.none() | st.integers(1, 5))
    def work(self, data: st.DataObject, commits: int, size: int | None) -> None:
        if self.job.claim or self._claim():
            self._work(data, commits, size)

    # Work comes up twice as often as any other rule, or hardly a job would come far.
    @precondition(lambda self: self.job.claim)
    @rule(data=st.data(), commits=st.integers(1, 3))
    def requeue(self, data: st.DataObject, commits: int) -> None:
        self._work(data, commits, 2)

    @precondition(lambda self: self.job.claim)
    @rule(data=st.data(), ends=st.lists(st.booleans(), min_size=1, max_size=4))
    def lose(self, data: st.DataObject, ends: list[bool]) -> None:
        """The engine is killed, or presumed dead and robbed of its job, and so are some that come after it."""
        for killed in ends:
            if not self.job.claim and not (self.status is JobStatus.RUNNING and self._claim()):
                return
            self._commit(data)
            self._lose(killed)

    @precondition(lambda self: self.job.fenced)
    @rule(data=st.data())
    def come_back_from_the_dead(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.job.fenced))
        acts: list[Callable[[], object]] = [
            lambda: self.bench.ledger.commit(claim, Batch(settled=[self._settled(1, RowStatus.SUCCEEDED, (1, 1, 1))])),
            lambda: self.bench.ledger.take_chunk(claim, 1),
            lambda: self.bench.ledger.finish(claim, Action.FAIL, NOW),
            lambda: self.bench.ledger.poll_control(claim),
        ]
        for act in acts:
            with pytest.raises(ClaimLost):
                act()

    @precondition(lambda self: self.job.claim and not self.job.slots)
    @rule(finish=st.sampled_from(FINISHES))
    def finish(self, finish: tuple[Action, PauseReason | None]) -> None:
        verb, reason = finish
        assert self.job.claim
        requested_action = self.bench.browse.job(self.pk).requested_action
        error = JobError("no_credit", "There is none.") if verb is Action.FAIL else None
        moved = self.bench.ledger.finish(self.job.claim, verb, NOW, reason=reason, error=error)
        if verb is Action.COMPLETE:
            assert moved == (not self.job.numbers(UNTOUCHED, WAITING))
        elif verb in (Action.PAUSE, Action.CANCEL) and reason is None:
            assert moved == (requested_action is verb)
        else:  # a requested action that is stronger comes first
            assert (
                moved
                or (requested_action is Action.CANCEL and verb in (Action.PAUSE, Action.FAIL))
                or (requested_action and verb is Action.RELEASE)
            )
        if moved:
            self.job.end_claim()

    @rule(verb=st.sampled_from([Action.PAUSE, Action.RESUME, Action.RESUME, Action.CANCEL]))
    def speak(self, verb: Action) -> None:
        speech: dict[Action, Callable[[int, float], object]] = {
            Action.PAUSE: self.bench.control.pause,
            Action.RESUME: self.bench.control.resume,
            Action.CANCEL: self.bench.control.cancel,
        }
        with suppress(IllegalTransition, Busy):
            speech[verb](self.pk, NOW)
        self._follow_burial()

    @rule(failed_only=st.booleans(), first=st.integers(1, RECORDS), codes=st.sampled_from([(), ("one", "two")]))
    def retry(self, failed_only: bool, first: int, codes: tuple[str, ...]) -> None:
        ranges = [(first, RECORDS)]
        try:
            again: int | None = self.bench.control.retry(
                self.pk, NOW, failed_only=failed_only, codes=codes, ranges=ranges
            )
        except (IllegalTransition, Busy, UsageError):
            again = None
        self._follow_burial()
        if again is None:
            return
        outcomes = self.job.outcomes().items()
        failed = [n for n, (_, _, code) in outcomes if code and n >= first and (not codes or code in codes)]
        assert again == len(failed)
        self.job.reopen(failed)

    @invariant()
    def every_row_is_in_exactly_one_place(self) -> None:
        read = self.bench.store.database.read
        found: list[tuple[int, RowModel]] = []
        for lo, hi in read("SELECT lo, hi FROM chunks WHERE job = ?", (self.pk,)):
            found += [(number, RowModel(UNTOUCHED)) for number in range(lo, hi + 1)]
        for place, table in ((WAITING, "deferred"), (IN_FLIGHT, "slots")):
            for number, *tried in read(f"SELECT number, attempts, crashes FROM {table} WHERE job = ?", (self.pk,)):
                found.append((number, RowModel(place, *tried)))
        settled = "SELECT number, status FROM outcomes WHERE job = ? AND superseded IS NULL"
        found += [(number, self.job.rows[number]) for number, _ in read(settled, (self.pk,))]
        assert sorted(found, key=lambda pair: pair[0]) == sorted(self.job.rows.items())
        assert self._settled_rows() == self.job.outcomes()

    @invariant()
    def every_count_is_what_the_lines_say(self) -> None:
        job = self.bench.browse.job(self.pk)
        counts = job.counts
        assert counts.total == len(self.job.rows) == counts.processed + (counts.unprocessed or 0)
        assert counts.succeeded == len(self.job.numbers(RowStatus.SUCCEEDED))
        assert counts.failed == len(self.job.numbers(RowStatus.FAILED))
        assert counts.skipped == 0
        assert job.running == len(self.job.slots)
        assert job.uncertain == self.job.uncertain
        assert job.uncertain == sum(e.uncertain for e in self.bench.browse.executions(self.pk))
        assert job.interrupted == (job.status is JobStatus.RUNNING and not self.job.claim)
        spent = (job.tokens_in, job.tokens_out, job.cost)
        assert spent == (self.job.tokens_in, self.job.tokens_out, self.job.cost) == self._spent_by_attempts()

    @invariant()
    def usage_is_what_the_saved_attempts_add_up_to(self) -> None:
        job = self.bench.browse.job(self.pk)
        used = dict(self.bench.store.usage.between(TODAY, TODAY, "job")).get(job.id, Used())
        assert (used.tokens_in, used.tokens_out, used.cost) == (job.tokens_in, job.tokens_out, job.cost)
        assert (used.rows, used.attempts) == (self.job.settlings, self.job.attempts)

    @invariant()
    def rows_are_listed_by_where_they_are(self) -> None:
        expected = {
            RowStatus.PENDING: self.job.numbers(UNTOUCHED, WAITING),
            RowStatus.RUNNING: self.job.numbers(IN_FLIGHT),
            RowStatus.SUCCEEDED: self.job.numbers(RowStatus.SUCCEEDED),
            RowStatus.FAILED: self.job.numbers(RowStatus.FAILED),
        }
        for status, numbers in expected.items():
            assert self.bench.browse.numbers(self.pk, status, 0, 100) == numbers
            assert self.bench.browse.numbers(self.pk, status, 2, 3) == [n for n in numbers if n > 2][:3]

    @invariant()
    def what_was_pinned_reads_the_same(self) -> None:
        for job, seq, outcomes in self.pins:
            assert self._settled_rows(job, seq) == outcomes

    @property
    def status(self) -> JobStatus:
        return self.bench.status(self.pk)

    @property
    def touched_only(self) -> bool:
        sql = "SELECT touched_only FROM jobs WHERE pk = ?"
        return bool(self.bench.store.database.read(sql, (self.pk,))[0][0])

    def _claim(self) -> bool:
        try:
            claim = self.bench.claim(self.pk)
        except IllegalTransition:  # the engine died with a requested action on the job
            self._follow_burial()
            return False
        self._follow_burial()
        self.job.claim = claim
        backlog = self.bench.ledger.backlog(claim, (-1.0, 0), 100)
        assert sorted((due.task for due in backlog), key=lambda task: task.number) == [
            self.job.task(number) for number in self.job.numbers(WAITING)
        ]
        return True

    def _work(self, data: st.DataObject, commits: int, size: int | None) -> None:
        for _ in range(commits):
            if not self.job.held:
                self._take_chunk(size)
            self._commit(data)
        self.pins = [*self.pins[-4:], (self.pk, self.bench.browse.job(self.pk).seq, self.job.outcomes())]

    def _lose(self, killed: bool) -> None:
        assert self.job.claim
        if killed:
            self.bench.crash(self.job.claim)
            self.job.dead, self.job.claim = self.job.claim, None
        else:
            self.bench.control.take_over(self.pk, NOW)
            self.job.recover()

    def _take_chunk(self, size: int | None) -> None:
        assert self.job.claim
        free = self.job.numbers(UNTOUCHED)
        chunk = self.bench.ledger.take_chunk(self.job.claim, size)
        if chunk is None:
            assert not free or self.touched_only
            return
        taken = list(range(chunk.lo, chunk.hi + 1))
        assert taken == free[: len(taken)]
        assert size is None or len(taken) <= size
        self.job.held += taken

    def _commit(self, data: st.DataObject) -> None:
        assert self.job.claim
        batch = Batch()
        waiting = self.job.numbers(WAITING)
        self._end_some(data, batch)
        self._start_some(data, batch, waiting)
        failed = self.job.numbers(RowStatus.FAILED)
        batch.reopened = data.draw(st.lists(st.sampled_from(failed), unique=True)) if failed else []
        self.job.reopen(batch.reopened)
        self.bench.ledger.commit(self.job.claim, batch)

    def _begin(self, pk: int, records: list[int]) -> None:
        self.pk = pk
        self.records = records
        self.job = JobModel({number: RowModel() for number in range(1, len(records) + 1)})
        stored = self.bench.browse.records(pk, 1, len(records))
        assert [(number, record) for number, record, _ in stored] == list(enumerate(records, 1))

    def _end_some(self, data: st.DataObject, batch: Batch) -> None:
        for slot, number in list(self.job.slots.items()):
            end = data.draw(st.sampled_from(["goes on", "succeeds", "one", "two", "is put off", "is aborted"]))
            if end == "goes on":
                continue
            del self.job.slots[slot]
            batch.freed.append(slot)
            row = self.job.rows[number]
            again = Task(number, 0, row.attempts + (end == "is put off"), row.crashes, deferred=True)
            usage = data.draw(usages)
            if end == "is aborted":
                batch.postponed.append(Postponed(Due(NOW, again), None))
                batch.uncertain += 1
                self.job.uncertain += 1
            elif end == "is put off":
                batch.postponed.append(Postponed(Due(NOW + usage[0], again), self._attempt("timeout", usage)))
            else:
                code = None if end == "succeeds" else end
                status = RowStatus.FAILED if code else RowStatus.SUCCEEDED
                settled = self._settled(number, status, usage, code)
                batch.settled.append(settled)
                row.place = (status, (settled.output or {}).get("mood"), code)
                self.job.settlings += 1
            if not row.settled:
                row.place, row.attempts = WAITING, again.attempts
            if end != "is aborted":
                self.job.attempts += 1
                self.job.tokens_in += usage[0]
                self.job.tokens_out += usage[1]
                self.job.cost += usage[2]

    def _start_some(self, data: st.DataObject, batch: Batch, waiting: list[int]) -> None:
        touched = []
        for slot in [slot for slot in range(CONCURRENCY) if slot not in self.job.slots]:
            choices = waiting + self.job.held[:1]
            number = data.draw(st.sampled_from([*choices, None]))
            if number is None:
                continue
            batch.starts.append(Start(slot, self.job.task(number)))
            if number in waiting:
                waiting.remove(number)
            else:
                self.job.held.remove(number)
                touched.append(number)
            self.job.rows[number].place = IN_FLIGHT
            self.job.slots[slot] = number
        batch.freed = [slot for slot in batch.freed if slot not in self.job.slots]
        batch.chunks = [
            Chunk(max([lo, *(n + 1 for n in touched if lo <= n <= hi)]), hi)
            for lo, hi in self.bench.store.database.read("SELECT lo, hi FROM chunks WHERE job = ?", (self.pk,))
            if any(lo <= n <= hi for n in touched)
        ]

    def _settled(self, number: int, status: RowStatus, usage: tuple[int, int, int], code: str | None = None) -> Settled:
        self.made += 1
        output = {"mood": f"answer {self.made}"} if code is None else None
        return Settled(number, status, self._attempt(code, usage), output)

    @staticmethod
    def _attempt(code: str | None, usage: tuple[int, int, int]) -> Attempt:
        tokens_in, tokens_out, cost = usage
        outcome = "failed" if code else "succeeded"
        return Attempt(0, 1, NOW, 0.1, outcome, code, None, Usage(tokens_in, tokens_out), cost)

    def _follow_burial(self) -> None:
        """A verb that met a dead engine has taken the job from it; one that was refused may have left that."""
        sql = "SELECT 1 FROM claims WHERE job = ? AND generation = ?"
        if self.job.dead and not self.bench.store.database.read(sql, (self.pk, self.job.dead.generation)):
            self.job.recover()

    def _settled_rows(self, job: int | None = None, pin: int = 1 << 62) -> dict[int, Outcome]:
        rows = self.bench.browse.rows(job or self.pk, 1, RECORDS, pin)
        settled = [row for row in rows if row.status in (RowStatus.SUCCEEDED, RowStatus.FAILED)]
        return {row.number: (row.status, (row.output or {}).get("mood"), row.code) for row in settled}

    def _spent_by_attempts(self) -> tuple[int, int, int]:
        columns = "coalesce(sum(tokens_in), 0), coalesce(sum(tokens_out), 0), coalesce(sum(cost), 0)"
        tables = [
            self.bench.store.database.read(f"SELECT {columns} FROM {table} WHERE job = ?", (self.pk,))[0]
            for table in ("outcomes", "attempts")
        ]
        tokens_in, tokens_out, cost = (sum(column) for column in zip(*tables, strict=True))
        return tokens_in, tokens_out, cost


@pytest.mark.slow
def test_the_rows_of_a_job_are_partitioned_whatever_happens(bench: Bench) -> None:
    dataset = bench.dataset(RECORDS)
    bench.job(dataset=dataset)  # keeps the dataset when the others are deleted

    class LifeHere(Life):
        def __init__(self) -> None:
            super().__init__(bench, dataset)

    run_state_machine_as_test(
        LifeHere,
        settings=settings(
            max_examples=150,
            stateful_step_count=30,
            report_multiple_bugs=False,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
