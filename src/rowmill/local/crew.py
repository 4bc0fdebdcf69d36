"""Works the jobs that this process was asked for, and no others."""

import asyncio
import logging
from dataclasses import replace

from rowmill.core.errors import RowmillError
from rowmill.core.job import Job
from rowmill.core.status import JobStatus
from rowmill.ledger.store import Store
from rowmill.worker.assignment import Assignment, RunResult
from rowmill.worker.worker import GRACE, JOBS, LIMIT

_log = logging.getLogger(__name__)


class LocalWorker:
    """Works up to four jobs at once, as ``engine``. Belongs to one event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.engine = store.join()
        self._places = asyncio.Semaphore(JOBS)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._assignments: dict[str, Assignment] = {}
        self._again: set[str] = set()
        self._paused: set[str] = set()
        self._released = False

    def work(self, job_id: str) -> None:
        """There may be something to do for this job: begins, or looks again when it has stopped."""
        if self._released:
            return
        if job_id in self._tasks:
            self._again.add(job_id)
            return
        self._tasks[job_id] = asyncio.create_task(self._work(job_id))

    def holds(self, job_id: str) -> bool:
        """Whether it works this job, or will when one of its places is free. May be asked from any thread."""
        return job_id in self._tasks

    def look(self) -> None:
        """Something has changed that may let jobs go on which a limit has paused."""
        for job_id in list(self._paused):
            self.work(job_id)

    async def release(self) -> None:
        """Saves what is in flight, within bounds, and leaves all jobs to whoever goes on with them."""
        self._released = True
        for task in [task for job_id, task in self._tasks.items() if job_id not in self._assignments]:
            task.cancel()
        for assignment in self._assignments.values():
            assignment.release()
        if self._tasks:
            timer = asyncio.get_running_loop().call_later(GRACE, self._abort)
            await asyncio.wait(set(self._tasks.values()), timeout=GRACE + LIMIT)
            timer.cancel()
        await asyncio.to_thread(self._store.leave, self.engine)

    def _abort(self) -> None:
        for assignment in self._assignments.values():
            assignment.release(at_once=True)

    async def _work(self, job_id: str) -> None:
        try:
            async with self._places:
                await self._work_on(job_id)
        except RowmillError as error:
            _log.error("job cannot be worked: %s", error, extra={"job": job_id, "code": error.code})
        finally:
            del self._tasks[job_id]

    async def _work_on(self, job_id: str) -> None:
        """Works the job for as long as there is something to do for it."""
        self._again.add(job_id)
        while job_id in self._again and not self._released:
            self._again.discard(job_id)
            job = await asyncio.to_thread(self._waiting, job_id)
            if job is None:
                continue
            # As if it were left to any worker: what cannot be worked here fails with the reason, and does not wait.
            mine = replace(job, detached=True)
            self._assignments[job_id] = assignment = Assignment(self._store, self.engine, mine)
            try:
                left = await assignment.work()
            finally:
                del self._assignments[job_id]
            if left is RunResult.DONE:  # as which it may be paused, and have been resumed
                self._again.add(job_id)

    def _waiting(self, job_id: str) -> Job | None:
        """The job, where it waits for an engine."""
        job = self._store.browse.job_by_id(job_id)
        if job and job.status is JobStatus.PAUSED:
            self._paused.add(job_id)
        else:
            self._paused.discard(job_id)
        return job if job and (job.status is JobStatus.PENDING or job.interrupted) else None
