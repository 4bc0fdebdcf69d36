"""What jobs found for the records of a lasting dataset: versioned apart from the records, nothing overwritten.

The newest result is that of the job that saw the newest revision of the dataset, whenever it was found: a job that is
retried late never hides what another has found for newer values.
"""

import orjson

from rowmill.db.database import Database
from rowmill.tables.dataset import Result

_RESULT = """
SELECT r.record, r.result_version, r.job, j.id,
       (SELECT max(x.number) FROM executions x WHERE x.job = r.job AND x.began_seq < r.seq), r.number, o.output,
       r.input_hash
FROM results r JOIN jobs j ON j.pk = r.job
JOIN outcomes o ON o.job = r.job AND o.number = r.number AND o.seq = r.seq
WHERE r.dataset = ? AND r.record BETWEEN ? AND ? AND r.result_version <= ?
ORDER BY r.record, j.revision, r.result_version
"""


class Results:
    def __init__(self, database: Database) -> None:
        self._database = database

    def between(self, dataset: int, lo: int, hi: int, result_version: int) -> list[tuple[int, Result]]:
        """(record number, result) of records ``lo`` to ``hi`` up to ``result_version``, the newest of a record last."""
        lines = self._database.read(_RESULT, (dataset, lo, hi, result_version))
        return [
            (record, Result(at, job, job_id, execution or 0, row, orjson.loads(output), input_hash))
            for record, at, job, job_id, execution, row, output, input_hash in lines
        ]

    def values(self, dataset: int, lo: int, hi: int, result_version: int) -> dict[int, dict[str, object]]:
        """The newest value of each result column, by record number."""
        lines = self._database.read(
            """SELECT r.record, o.output FROM results r JOIN jobs j ON j.pk = r.job
               JOIN outcomes o ON o.job = r.job AND o.number = r.number AND o.seq = r.seq
               WHERE r.dataset = ? AND r.record BETWEEN ? AND ? AND r.result_version <= ?
               ORDER BY r.record, j.revision, r.result_version""",
            (dataset, lo, hi, result_version),
        )
        found: dict[int, dict[str, object]] = {}
        for record, output in lines:
            found.setdefault(record, {}).update(orjson.loads(output))
        return found

    def inputs(self, dataset: int, lo: int, hi: int, result_version: int) -> list[tuple[int, int, int]]:
        """(record number, job, hash of the inputs) of the results of records ``lo`` to ``hi``, the newest last."""
        return self._database.read(
            """SELECT r.record, r.job, r.input_hash FROM results r JOIN jobs j ON j.pk = r.job
               WHERE r.dataset = ? AND r.record BETWEEN ? AND ? AND r.result_version <= ?
               ORDER BY r.record, j.revision, r.result_version""",
            (dataset, lo, hi, result_version),
        )

    def count(self, job: int) -> int:
        """How many results ``job`` has given to its dataset."""
        return int(self._database.read("SELECT count(*) FROM results WHERE job = ?", (job,))[0][0])

    def last_result_version(self, job: int) -> int:
        """The newest result version among the results of ``job``."""
        return int(
            self._database.read("SELECT coalesce(max(result_version), 0) FROM results WHERE job = ?", (job,))[0][0]
        )

    def jobs(self, dataset: int) -> list[int]:
        """The jobs that gave ``dataset`` results, the oldest first."""
        lines = self._database.read(
            """SELECT pk FROM jobs WHERE dataset = ? AND type = 'enrichment'
               AND EXISTS (SELECT 1 FROM results WHERE results.job = jobs.pk) ORDER BY pk""",
            (dataset,),
        )
        return [pk for (pk,) in lines]
