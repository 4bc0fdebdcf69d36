"""A worker in this process, with real jobs on a real store."""

import asyncio
import logging
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rowmill.cli.specs import import_spec, run_spec
from rowmill.core.errors import StoreError
from rowmill.core.job import Job
from rowmill.core.status import JobStatus, PauseReason
from rowmill.jobs.submit.submit import submit
from rowmill.ledger.store import Store
from rowmill.worker.assignment import Assignment, RunResult
from rowmill.worker.worker import Intervals, Worker
from tests.support.deadline import DEADLINE
from tests.support.transfers import export

SHORT = Intervals(poll=0.01, maintenance=0.01, store_retry=0.01, lost_job_retry=0.01)
_names = count()

FUNCTIONS = """
import asyncio

def ok(row):
    return row["id"]

async def hangs(row):
    await asyncio.sleep(1000)
"""


@pytest.fixture
def functions(here: Path) -> str:
    """A module with functions; each test's has a name of its own, since a module is imported once."""
    name = f"worked_{next(_names)}"
    (here / f"{name}.py").write_text(FUNCTIONS)
    return name


def table(here: Path, rows: int = 5) -> Path:
    path = here / f"table{next(_names)}.csv"
    path.write_text("id\n" + "".join(f"{path.stem}-{number}\n" for number in range(rows)))
    return path


def leave(store: Store, engine: str, here: Path, functions: str, function: str = "ok", **asked: Any) -> Job:
    """A new job, detached unless told otherwise."""
    known = "ok" if function == "gone" else function
    options: dict[str, Any] = {"input_": str(table(here)), "detach": True, **asked}
    job = submit(store, engine, run_spec(processor=f"{functions}:{known}", columns=("out",), **options)).job
    if function != known:  # the module has lost it since
        with store.database.transaction() as tx:
            sql = "UPDATE jobs SET spec = replace(spec, ?, ?) WHERE pk = ?"
            tx.execute(sql, (f":{known}", f":{function}", job.pk))
    return store.browse.job(job.pk)


def work(store: Store, until: Callable[[], bool], **more: Any) -> bool:
    """Lets a worker work until the condition holds; returns what its end says."""

    async def main() -> bool:
        worker = Worker(store, intervals=SHORT, **more)
        running = asyncio.create_task(worker.run())
        async with asyncio.timeout(DEADLINE):
            while not until():
                assert not running.done() or running.result()
                await asyncio.sleep(0.005)
        worker.release(at_once=True)
        return await running

    return asyncio.run(main())


def status(store: Store, job: Job) -> JobStatus:
    return store.browse.job(job.pk).status


def is_(store: Store, wanted: JobStatus, *jobs: Job) -> Callable[[], bool]:
    return lambda: all(status(store, job) is wanted for job in jobs)


def die(store: Store, job: Job) -> None:
    """Claims ``job`` with an engine that dies."""
    engine = store.join()
    store.ledger.claim(job.pk, engine, store.clock())
    store.presence.deregister(engine)


def failing(function: Callable[..., Any], error: Exception, *turns: int) -> Callable[..., Any]:
    """``function``, which raises at its calls number ``turns``."""
    calls = count(1)

    def fail(*args: Any, **named: Any) -> Any:
        if next(calls) in turns:
            raise error
        return function(*args, **named)

    return fail


def test_jobs_are_taken_up_the_oldest_first(store: Store, engine: str, here: Path, functions: str) -> None:
    jobs = [leave(store, engine, here, functions) for _ in range(4)]
    assert work(store, is_(store, JobStatus.COMPLETED, *jobs), jobs=1)
    began = [store.browse.job(job.pk).started_at for job in jobs]
    assert began == sorted(began, key=lambda at: at or 0.0)


def test_a_pending_job_that_is_not_detached_is_never_touched(
    store: Store, engine: str, here: Path, functions: str
) -> None:
    mine = leave(store, engine, here, functions, detach=False)
    left = leave(store, engine, here, functions)
    work(store, is_(store, JobStatus.COMPLETED, left))
    assert status(store, mine) is JobStatus.PENDING
    assert store.browse.executions(mine.pk) == []


def test_what_is_interrupted_is_adopted_and_stays_a_workers(
    store: Store, engine: str, here: Path, functions: str
) -> None:
    job = leave(store, engine, here, functions, "hangs", detach=False)
    die(store, job)
    assert work(store, lambda: store.browse.job(job.pk).running == 5)
    now = store.browse.job(job.pk)
    assert (now.status, now.detached, now.uncertain) == (JobStatus.PENDING, True, 5)


def test_an_interrupted_job_that_cannot_be_worked_here_is_left_alone_and_thought_of_once(
    store: Store, engine: str, here: Path, functions: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = leave(store, engine, here, functions, "gone", detach=False)
    die(store, job)
    others = [leave(store, engine, here, functions) for _ in range(3)]
    work(store, is_(store, JobStatus.COMPLETED, *others))
    assert store.browse.job(job.pk).interrupted
    said = [record for record in caplog.records if record.message == "job cannot be worked here"]
    assert [record.__dict__["job"] for record in said] == [job.id]


def test_a_detached_job_that_cannot_be_worked_here_fails_with_the_reason(
    store: Store, engine: str, here: Path, functions: str
) -> None:
    job = leave(store, engine, here, functions, "gone")
    work(store, is_(store, JobStatus.FAILED, job))
    error = store.browse.job(job.pk).error
    assert error is not None
    assert error.code == "usage"
    assert "no function 'gone'" in error.message
    assert error.hint


def test_a_crash_fails_its_job_loses_no_row_and_leaves_the_others_alone(
    store: Store,
    engine: str,
    here: Path,
    functions: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    job = leave(store, engine, here, functions, input_=str(table(here, 30)))
    commit = store.ledger.commit
    crash = failing(commit, ZeroDivisionError("by chance"), 3)
    monkeypatch.setattr(
        store.ledger, "commit", lambda claim, batch: (crash if claim.job == job.pk else commit)(claim, batch)
    )
    other = leave(store, engine, here, functions)
    work(store, lambda: status(store, job) is JobStatus.FAILED and status(store, other) is JobStatus.COMPLETED)
    failed = store.browse.job(job.pk)
    assert failed.error is not None
    assert (failed.error.code, failed.counts.total) == ("internal", 30)
    assert "ZeroDivisionError: by chance" in failed.error.message
    assert any(record.exc_info for record in caplog.records if record.__dict__.get("job") == job.id)

    store.control.resume(job.pk, store.clock(), detached=True)
    work(store, is_(store, JobStatus.COMPLETED, job))
    assert store.browse.job(job.pk).counts.succeeded == 30


def test_a_store_that_fails_fails_the_job_as_soon_as_it_can_be_written_again(
    store: Store, engine: str, here: Path, functions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = leave(store, engine, here, functions)
    full = StoreError("The disk is full.", "Free some.")
    monkeypatch.setattr(store.ledger, "commit", failing(store.ledger.commit, full, 2, 3))
    monkeypatch.setattr(store.control, "release_own_claim", failing(store.control.release_own_claim, full, 1, 2))
    work(store, is_(store, JobStatus.FAILED, job))
    error = store.browse.job(job.pk).error
    assert error is not None
    assert error.code == "store"


def test_a_store_that_fails_before_the_claim_leaves_the_job_for_a_later_try(
    store: Store, engine: str, here: Path, functions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = leave(store, engine, here, functions)
    monkeypatch.setattr(store.ledger, "claim", failing(store.ledger.claim, StoreError("Locked."), 1))
    monkeypatch.setattr(store.queue, "waiting", failing(store.queue.waiting, StoreError("Locked."), 1))
    work(store, is_(store, JobStatus.COMPLETED, job))


def test_enrichments_leave_one_place_to_imports_and_exports(
    store: Store, engine: str, here: Path, functions: str
) -> None:
    long = [leave(store, engine, here, functions, "hangs") for _ in range(3)]
    import_ = submit(store, engine, import_spec(str(table(here)), dataset="things", detach=True)).job

    seen: list[JobStatus] = []

    def come_so_far() -> bool:
        seen[:] = [status(store, job) for job in long]
        return status(store, import_) is JobStatus.COMPLETED and store.browse.job(long[1].pk).running == 5

    work(store, come_so_far, jobs=3)
    assert seen == [JobStatus.RUNNING, JobStatus.RUNNING, JobStatus.PENDING]


def test_the_only_place_is_for_every_type(store: Store, engine: str, here: Path, functions: str) -> None:
    job = leave(store, engine, here, functions)
    import_ = submit(store, engine, import_spec(str(table(here)), dataset="things", detach=True)).job
    work(store, is_(store, JobStatus.COMPLETED, job, import_), jobs=1)


def test_a_notice_from_another_thread_is_followed_at_once(
    store: Store, engine: str, here: Path, functions: str
) -> None:
    async def main() -> None:
        worker = Worker(store, intervals=Intervals(poll=1000.0))
        running = asyncio.create_task(worker.run())
        first = leave(store, engine, here, functions)
        while status(store, first) is JobStatus.PENDING:
            Thread(target=worker.notify).start()
            await asyncio.sleep(0.01)
        while status(store, first) is not JobStatus.COMPLETED:
            await asyncio.sleep(0.01)
        Thread(target=worker.release).start()
        assert await running

    asyncio.run(asyncio.wait_for(main(), DEADLINE))


def test_a_worker_that_is_released_before_it_begins_takes_nothing_up(
    store: Store, engine: str, here: Path, functions: str
) -> None:
    job = leave(store, engine, here, functions)

    async def main() -> bool:
        worker = Worker(store)
        worker.release()
        return await worker.run()

    assert asyncio.run(main())
    assert status(store, job) is JobStatus.PENDING


def test_a_job_that_is_released_before_it_is_claimed_is_never_claimed(
    store: Store, engine: str, here: Path, functions: str
) -> None:
    job = leave(store, engine, here, functions)

    async def main() -> RunResult:
        assignment = Assignment(store, engine, job)
        assignment.release()
        return await assignment.work()

    assert asyncio.run(main()) is RunResult.LOST
    assert status(store, job) is JobStatus.PENDING
    assert store.browse.executions(job.pk) == []


def test_calls_in_flight_get_the_grace_and_are_aborted_then(
    store: Store, engine: str, here: Path, functions: str
) -> None:
    job = leave(store, engine, here, functions, "hangs")

    async def main() -> float:
        worker = Worker(store, grace=0.3, intervals=SHORT)
        running = asyncio.create_task(worker.run())
        while store.browse.job(job.pk).running < 5:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        worker.release()
        assert await running
        return time.monotonic() - began

    assert asyncio.run(asyncio.wait_for(main(), DEADLINE)) >= 0.3
    now = store.browse.job(job.pk)
    assert (now.status, now.uncertain, now.counts.unprocessed) == (JobStatus.PENDING, 5, 5)
    assert store.database.read("SELECT count(*) FROM engines WHERE id <> ?", (engine,)) == [(0,)]


def test_what_a_user_wishes_of_a_job_is_obeyed(store: Store, engine: str, here: Path, functions: str) -> None:
    job = leave(store, engine, here, functions, "hangs")

    def cancelled() -> bool:
        if store.browse.job(job.pk).running == 5:
            store.control.cancel(job.pk, store.clock())
        return status(store, job) is JobStatus.CANCELLED

    assert work(store, cancelled)


def test_the_copy_that_a_cancelled_import_was_to_read_goes_with_it(
    store: Store, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with table(here).open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        job = submit(store, "", import_spec("-", format_="csv", dataset="things", detach=True)).job
    assert job.source is not None
    assert Path(job.source.location).exists()
    engine = store.join()
    store.ledger.claim(job.pk, engine, store.clock())
    store.control.cancel(job.pk, store.clock())
    store.presence.deregister(engine)
    copy = Path(job.source.location)
    work(store, lambda: status(store, job) is JobStatus.CANCELLED and not copy.exists())


def test_the_output_that_a_dead_worker_owed_is_written_by_the_next(
    store: Store, engine: str, here: Path, functions: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = leave(store, engine, here, functions, output="out.csv")
    with monkeypatch.context() as killed:
        killed.setattr(Assignment, "_write_file", lambda self: None)
        work(store, is_(store, JobStatus.COMPLETED, job))
    assert not (here / "out.csv").exists()
    work(store, (here / "out.csv").exists)
    assert len((here / "out.csv").read_text().splitlines()) == 6
    assert len(store.browse.executions(job.pk)) == 1


def test_an_export_to_standard_output_is_left_to_the_terminal_that_it_was_started_from(
    store: Store, engine: str, here: Path, functions: str
) -> None:
    import_ = submit(store, engine, import_spec(str(table(here)), dataset="things", detach=True)).job
    work(store, is_(store, JobStatus.COMPLETED, import_))
    things = store.datasets.named("things")
    assert things is not None
    exporting = export(store, things, "-").job
    die(store, exporting)
    other = leave(store, engine, here, functions)
    work(store, is_(store, JobStatus.COMPLETED, other))
    assert store.browse.job(exporting.pk).interrupted


def test_maintenance_goes_on_after_a_task_that_fails(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    done: list[int] = []

    def breaks() -> None:
        raise ValueError("broken")

    work(store, lambda: len(done) > 2, maintenance=[breaks, lambda: done.append(1)])
    assert any(record.message == "maintenance failed" and record.exc_info for record in caplog.records)


def test_the_log_tells_of_jobs_and_failed_rows_but_no_value(
    store: Store, engine: str, here: Path, functions: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (here / f"{functions}x.py").write_text("def fails(row):\n    raise KeyError(row['id'])\n")
    job = leave(store, engine, here, f"{functions}x", "fails", max_attempts=1, input_=str(table(here, 3)))
    work(store, is_(store, JobStatus.PAUSED, job))
    assert store.browse.job(job.pk).pause_reason is PauseReason.FAILURE_SPIKE
    about = [record for record in caplog.records if record.__dict__.get("job") == job.id]
    assert [record.message for record in about] == [
        "job claimed", *["row failed"] * 3, "job paused by the engine",
    ]  # fmt: skip
    assert {record.__dict__["row"] for record in about[1:4]} == {1, 2, 3}
    assert {(record.__dict__["code"], record.__dict__["attempt"]) for record in about[1:4]} == {("function_error", 1)}
    assert "table" not in "".join(map(str, (record.__dict__ for record in about)))
