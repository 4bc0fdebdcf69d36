"""Whatever the lines of imports are, wherever they are cut into commits and whenever a process dies between: the
dataset, its old versions, the counts and every line's status are those of a dictionary."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rowmill.core.commit import Claim
from rowmill.core.status import Action, RowStatus
from rowmill.core.transfer import Changes

from .bench import NOW, Bench, Line
from .merge_model import CREATED, REFUSED, SUPERSEDED, UNCHANGED, UPDATED, DatasetModel, ImportModel, Values, trimmed

COLUMNS = ["id", "name", "age"]

values = st.tuples(st.sampled_from("abcd"), st.sampled_from([None, "x", "y"]), st.sampled_from([None, 1]))
lines = st.none() | values.map(lambda line: trimmed(list(line)))


@dataclass(frozen=True)
class File:
    """A table to import, how it is cut, and how its refused lines look when they are retried."""

    lines: list[Values | None]
    covered: list[int] | None
    commits: list[tuple[int, bool]]
    """How many lines each commit brings, and whether the process dies after it."""

    cancelled: bool
    again: list[Values | None]


files = st.builds(
    File,
    st.lists(lines, max_size=12),
    st.sampled_from([None, [0, 2], [0, 1]]),
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=6),
    st.booleans(),
    st.lists(lines, max_size=12),
)


class Check:
    """Plays files into a dataset of its own and compares it with the model after every commit."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench = bench
        self.name = name
        self.dataset = DatasetModel()
        self.imports: dict[int, ImportModel] = {}

    def play(self, file: File) -> None:
        claim = self.bench.claim(self.bench.import_(self.name))
        self.imports[claim.job] = ImportModel(file.covered)
        for size, dies in file.commits:
            claim = self.bring(claim, file, size, end=False)
            if dies:
                claim = self.lose(claim)
        if file.cancelled:
            self.bench.control.cancel(claim.job, NOW)
            assert self.bench.ledger.finish(claim, Action.CANCEL, NOW)
        else:
            self.bring(claim, file, len(file.lines), end=True)
            self.bench.complete(claim)
        self.dataset.publish()
        self.compare()

    def retry(self, file: File) -> None:
        """Tries the refused lines of the last import again, a few in each commit, with a death after the first."""
        job, import_ = list(self.imports.items())[-1]
        refused = import_.lines(REFUSED)
        if file.cancelled or not refused:
            return
        assert self.bench.control.retry(job, NOW) == len(refused)
        claim = self.bench.claim(job)
        again = dict(zip(refused, [*file.again, *[None] * len(refused)], strict=False))
        half = len(refused) // 2
        for some in (refused[:half], refused[half:]):
            self.bring_again(claim, {number: again[number] for number in some})
            claim = self.lose(claim)
        self.bench.complete(claim)
        self.dataset.publish()
        self.compare()

    def bring(self, claim: Claim, file: File, size: int, *, end: bool) -> Claim:
        first = self.bench.store.transfers.next_row(claim)
        assert first
        some = file.lines[first - 1 : first - 1 + size]
        self.bench.bring(claim, *map(_line, some), end=end, columns=COLUMNS, covered=file.covered)
        for number, line in enumerate(some, first):
            self.dataset.bring(self.imports[claim.job], number, line)
        self.compare()
        return claim

    def bring_again(self, claim: Claim, some: dict[int, Values | None]) -> None:
        import_ = self.imports[claim.job]
        intake = {number: _line(line) for number, line in some.items()}
        self.bench.bring_again(claim, intake, columns=COLUMNS, covered=import_.covered)
        for number, line in some.items():
            self.dataset.bring(import_, number, line)

    def lose(self, claim: Claim) -> Claim:
        self.bench.crash(claim)
        return self.bench.claim(claim.job)

    def compare(self) -> None:
        for job, import_ in self.imports.items():
            self.compare_import(job, import_)
        dataset = self.bench.people(self.name)
        assert dataset.revision == len(self.dataset.revisions) - 1
        assert dataset.rows == len(self.dataset.revisions[-1])
        for revision, records in enumerate(self.dataset.revisions):
            assert self.bench.values(revision, self.name) == list(records.values())
        numbers = self.bench.store.datasets.numbers(dataset, list("abcd"))
        assert numbers == {key: number for number, key in enumerate(self.dataset.revisions[-1], 1)}

    def compare_import(self, pk: int, import_: ImportModel) -> None:
        job = self.bench.browse.job(pk)
        done = {
            RowStatus.SUCCEEDED: import_.lines(CREATED, UPDATED),
            RowStatus.SKIPPED: import_.lines(UNCHANGED, SUPERSEDED),
            RowStatus.FAILED: import_.lines(REFUSED),
        }
        counts = (job.counts.succeeded, job.counts.skipped, job.counts.failed)
        assert counts == tuple(map(len, done.values()))
        assert job.changes == Changes(*(import_.count(action) for action in (CREATED, UPDATED, UNCHANGED)))
        for status, numbers in done.items():
            assert self.bench.browse.numbers(pk, status, 0, 100) == numbers
        assert [(row.number, row.status, row.code, row.record) for row in self.bench.browse.lines(pk, 1, 100)] == list(
            _shown(import_)
        )


def _shown(import_: ImportModel) -> Iterator[tuple[int, RowStatus, str | None, int | None]]:
    for line, action in sorted(import_.actions.items()):
        status = {REFUSED: RowStatus.FAILED, UNCHANGED: RowStatus.SKIPPED, SUPERSEDED: RowStatus.SKIPPED}
        code = None if action in (CREATED, UPDATED) else action
        record = None if action in (REFUSED, SUPERSEDED) else import_.records[line]
        yield line, status.get(action, RowStatus.SUCCEEDED), code, record


def _line(values: Values | None) -> Line:
    return REFUSED if values is None else values


names = count()


@pytest.mark.slow
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.tuples(files, st.booleans()), min_size=1, max_size=4))
def test_imports_do_what_a_dictionary_does(bench: Bench, played: list[tuple[File, bool]]) -> None:
    check = Check(bench, f"people {next(names)}")
    for file, retried in played:
        check.play(file)
        if retried:
            check.retry(file)


def test_the_check_itself_notices_a_wrong_record(bench: Bench) -> None:
    check = Check(bench, "people")
    check.play(File([["a", "x"]], None, [], False, []))
    check.dataset.revisions[-1]["a"] = ["a", "y"]
    with pytest.raises(AssertionError):
        check.compare()
