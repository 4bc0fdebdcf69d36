"""What the tutorial and the how-tos tell their reader to type really runs, and says what they say."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowmill.testing import ModelServer

from .pages import DOCS, REFERENCE, ROOT, blocks, pages, steps
from .reader import Reader, assert_says

WALKTHROUGHS = [DOCS / "tutorial.md", *sorted((DOCS / "how-to").glob("*.md")), ROOT / "README.md"]
RUN_ELSEWHERE = [REFERENCE / "api.md"]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with ModelServer() as server:
        someone = Reader(tmp_path, server.url)
        try:
            yield someone
        finally:
            someone.close()


@pytest.mark.parametrize("page", WALKTHROUGHS, ids=lambda page: page.stem)
def test_every_block_runs_in_order(page: Path, reader: Reader) -> None:
    if shutil.which("curl") is None and "\ncurl " in page.read_text(encoding="utf-8"):
        # Rowmill needs no curl, so neither do its tests; `.ci/run` installs it, and there nothing is skipped.
        pytest.skip("the page's reader has curl, and this machine has not")
    for step in steps(page):
        reader.follow(step)
    reader.wait()


def test_no_page_but_these_has_blocks_that_nothing_runs() -> None:
    others = [page for page in pages() if page not in (*WALKTHROUGHS, *RUN_ELSEWHERE)]
    unrun = [
        f"{page.relative_to(ROOT)}, line {block.line}"
        for page in others
        for block in blocks(page)
        if block.language == "sh" and not block.mark.startswith("not run: ")
    ]
    assert unrun == []


def test_whatever_is_not_run_has_its_reason() -> None:
    marks = [block.mark for page in pages() for block in blocks(page) if block.mark.startswith("not run")]
    assert marks
    assert all(mark.startswith("not run: ") and len(mark) > 20 for mark in marks)


def test_other_words_than_the_page_s_are_noticed() -> None:
    assert_says("job_1: 3 rows\nodd\neven\ndone", "job_…: 3 rows\n…\ndone", "here")
    with pytest.raises(AssertionError):
        assert_says("job_1: 4 rows\ndone", "job_…: 3 rows\ndone", "here")
    with pytest.raises(AssertionError):
        assert_says("one\ntwo", "one", "here")
