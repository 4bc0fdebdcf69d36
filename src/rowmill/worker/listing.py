"""A worker as the API and ``rowmill workers`` show it."""

from rowmill.core.job import WorkerInfo
from rowmill.core.timestamps import utc
from rowmill.shapes.workers import Worker


def worker_view(worker: WorkerInfo) -> Worker:
    return Worker(worker.id, worker.pid, worker.alive, utc(worker.joined_at), worker.jobs)
