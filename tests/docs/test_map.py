"""The map of the house in CONTRIBUTING shows what is there."""

import re
from pathlib import Path

from .pages import ROOT, blocks

GUIDE = ROOT / "CONTRIBUTING.md"
SOURCES = ROOT / "src" / "rowmill"


def mapped() -> list[Path]:
    """Every path of the tree, in order."""
    tree = next(block.text for block in blocks(GUIDE) if block.text.startswith("src/rowmill/"))
    above: list[Path] = []
    paths = []
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        path = Path(*above[: indent // 2], line.split()[0])
        above[indent // 2 :] = [Path(line.split()[0])]
        paths.append(path)
    return paths


def test_whatever_is_on_the_map_exists() -> None:
    assert [str(path) for path in mapped() if not (ROOT / path).exists()] == []


def test_every_source_file_is_on_the_map() -> None:
    sources = {path.relative_to(ROOT) for path in SOURCES.rglob("*.py") if path.name != "__init__.py"}
    migrations = {path for path in sources if path.parent.name == "versions"}
    assert sources - migrations - set(mapped()) == set()


def test_the_files_that_the_prose_names_exist() -> None:
    prose = re.sub(r"```.*?^```$", "", GUIDE.read_text(encoding="utf-8"), flags=re.M | re.S)
    named = re.findall(r"`((?:model|engine|service|store|builtin|cli|api|client)/[\w/]+\.py)`", prose)
    assert named
    assert [name for name in named if not (SOURCES / name).exists()] == []
