"""Every link from one page to another leads somewhere."""

import re
from pathlib import Path

import pytest

from .pages import DOCS, ROOT, pages

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?^```$|`[^`\n]*`", re.M | re.S)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    assert [link for link in links(page) if not resolves(page, link)] == []


def test_every_page_of_the_docs_is_in_the_index() -> None:
    index = DOCS / "index.md"
    linked = {(DOCS / link).resolve() for link in links(index)}
    assert {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page not in {*linked, index}} == set()


def test_the_picture_loads_nothing() -> None:
    picture = (DOCS / "images" / "run.svg").read_text(encoding="utf-8")
    addresses = re.findall(r"\w+://[^\s\"')]+", picture)
    assert {address for address in addresses if not address.startswith("http://www.w3.org/")} == set()
    assert "url(" not in re.sub(r"url\(#[\w-]+\)", "", picture)


def links(page: Path) -> list[str]:
    text = _CODE.sub("", page.read_text(encoding="utf-8"))
    return [link for link in _LINK.findall(text) if not link.startswith(("http://", "https://"))]


def resolves(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path) if path else page
    return target.is_file() and (not anchor or anchor in anchors(target))


def anchors(page: Path) -> set[str]:
    """The names that headings get: lower case, spaces as hyphens, other punctuation gone."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
