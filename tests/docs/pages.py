"""The documentation as data: its pages, their links, and the blocks that a reader would type."""

import re
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
EXAMPLES = ROOT / "examples"

_FENCE = re.compile(r"```(\w*)\n(.*?)^```$", re.M | re.S)
_SAVE = re.compile(r"Save this as\s+`([^`]+)`:\n\n\Z")
_MARK = re.compile(r"<!-- (.+?) -->\n\Z")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block. ``mark`` is what the comment before it says, ``file`` the name under which to save it."""

    language: str
    text: str
    mark: str
    file: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Step:
    """A file to save, or commands to run with what they should say and how they should end."""

    block: Block
    output: str | None

    @property
    def skipped(self) -> bool:
        return self.block.mark.startswith("not run")

    @property
    def background(self) -> bool:
        return self.block.mark.startswith("background")

    @property
    def address(self) -> str | None:
        """Where a server answers that runs in the background."""
        found = re.search(r"answers at ([\d.]+:\d+)", self.block.mark)
        return found[1] if found else None

    @property
    def code(self) -> int:
        found = re.search(r"exit (\d+)", self.block.mark)
        return int(found[1]) if found else 0


def pages() -> list[Path]:
    """Every Markdown file that a reader may come to."""
    return [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *EXAMPLES.rglob("*.md")]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        before = text[: fence.start()]
        mark, file = _MARK.search(before), _SAVE.search(before)
        line = before.count("\n") + 1
        found.append(Block(fence[1], fence[2], mark[1] if mark else "", file[1] if file else None, line))
    return found


def steps(page: Path) -> list[Step]:
    """What a reader does, in order. A ``text`` block right after a ``sh`` block is its output."""
    all_blocks = blocks(page)
    made = []
    for block, following in zip_longest(all_blocks, all_blocks[1:]):
        if block.file is not None:
            made.append(Step(block, None))
        elif block.language == "sh":
            said = following and following.language == "text" and following.file is None
            made.append(Step(block, following.text if said and following else None))
    return made


def section(page: Path, heading: str) -> str:
    """The text below a ``##`` heading. Raises ``LookupError`` where there is none."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    return sections[heading]


def first_cells(text: str) -> list[str]:
    """The first cell of every row of the tables in ``text``, without the headings."""
    rows = re.findall(r"^\|(.+?)(?<!\\)\|", text, flags=re.M)
    cells = [row.strip() for row in rows]
    return [cell for place, cell in enumerate(cells) if not _is_rule(cell) and not _is_rule(_at(cells, place + 1))]


def codes(cells: list[str]) -> set[str]:
    """What stands in backticks in ``cells``."""
    return {code for cell in cells for code in re.findall(r"`([^`]+)`", cell)}


def _is_rule(cell: str) -> bool:
    return bool(cell) and set(cell) <= {"-", ":"}


def _at(cells: list[str], place: int) -> str:
    return cells[place] if place < len(cells) else ""
