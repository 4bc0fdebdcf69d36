import pytest

from rowmill.core.errors import NotFound, UsageError
from rowmill.core.status import JobStatus, JobType, RowStatus

from .bench import NOW, Bench


def test_a_job_is_found_by_its_id_by_a_unique_prefix_and_as_the_last(bench: Bench) -> None:
    first, last = (bench.browse.job(bench.job()) for _ in range(2))
    length = next(n for n in range(5, 17) if first.id[:n] != last.id[:n])
    for job in (first, last):
        assert bench.browse.find_job(job.id).pk == job.pk
        assert bench.browse.find_job(job.id[:length]).pk == job.pk
        assert bench.browse.find_job(job.id.removeprefix("job_")).pk == job.pk
    assert bench.browse.find_job("last").pk == last.pk


def test_a_name_that_is_no_job_or_more_than_one_is_refused(bench: Bench) -> None:
    with pytest.raises(NotFound, match="There is no job 'last'"):
        bench.browse.find_job("last")
    bench.job(), bench.job()
    with pytest.raises(NotFound, match="There is no job '%'"):
        bench.browse.find_job("%")
    with pytest.raises(UsageError, match="More than one job begins with 'job_'"):
        bench.browse.find_job("job_")
    with pytest.raises(NotFound, match="was deleted"):
        bench.browse.job(999)


def test_jobs_come_newest_first_and_page_by_page(bench: Bench) -> None:
    made = [bench.job() for _ in range(5)]
    bench.control.pause(made[1], NOW)
    assert [job.pk for job in bench.browse.jobs(limit=2)] == made[:2:-1]
    assert [job.pk for job in bench.browse.jobs(before=made[3], limit=2)] == made[2:0:-1]
    assert [job.pk for job in bench.browse.jobs(JobStatus.PAUSED)] == [made[1]]
    assert bench.browse.jobs(type_=JobType.EXPORT) == []


def test_the_same_job_is_the_newest_that_was_not_cancelled(bench: Bench) -> None:
    first, second = bench.job(), bench.job()
    found = bench.browse.same_job("identity")
    assert found
    assert found.pk == second
    bench.control.cancel(second, NOW)
    found = bench.browse.same_job("identity")
    assert found
    assert found.pk == first
    assert bench.browse.same_job("another") is None


@pytest.mark.parametrize("ranges", [[(3, 5)], [(3, 4), (9, 9)]])
def test_a_job_has_the_rows_that_were_chosen_and_no_others(bench: Bench, ranges: list[tuple[int, int]]) -> None:
    chosen = [record for first, last in ranges for record in range(first, last + 1)]
    job = bench.job(dataset=bench.dataset(10), ranges=ranges)
    rows = bench.browse.rows(job, 1, 100)
    assert [(row.number, row.record, row.values) for row in rows] == [
        (number, record, [f"text {record}"]) for number, record in enumerate(chosen, 1)
    ]
    assert [row.number for row in bench.browse.rows(job, 2, 2)] == [2]
    assert bench.browse.rows(job, 0, 0) == bench.browse.rows(job, 4, 4) == []


def test_rows_show_where_they_are(bench: Bench) -> None:
    claim = bench.claim(bench.job(5))
    bench.start(claim, 4)
    bench.settle(claim, 1)
    bench.settle(claim, 2, code="timeout")
    bench.put_off(claim, 3)
    assert [row.status for row in bench.browse.rows(claim.job, 1, 5)] == [
        RowStatus.SUCCEEDED,
        RowStatus.FAILED,
        RowStatus.PENDING,
        RowStatus.RUNNING,
        RowStatus.PENDING,
    ]


def test_the_backlog_is_paged_in_the_order_in_which_rows_are_due(bench: Bench) -> None:
    job = bench.completed(6, failed=(1, 2, 3, 4, 5))
    bench.control.retry(job, NOW)
    claim = bench.claim(job)
    pages, after = [], (-1.0, 0)
    while page := bench.ledger.backlog(claim, after, 2):
        pages.append([due.task.number for due in page])
        after = page[-1].at, page[-1].task.number
    assert pages == [[1, 2], [3, 4], [5]]


def test_the_backlog_leaves_out_what_the_claim_itself_put_off(bench: Bench) -> None:
    claim = bench.claim(bench.job(2))
    bench.start(claim, 2)
    bench.put_off(claim, 1)
    assert bench.ledger.backlog(claim, (-1.0, 0), 10) == []
    bench.crash(claim)
    successor = bench.claim(claim.job)
    assert [due.task.number for due in bench.ledger.backlog(successor, (-1.0, 0), 10)] == [2, 1]
