import argparse
import re
import sys
from pathlib import Path

from .tables import TABLES

REFERENCE = Path(__file__).parents[1] / "reference"
_PLACE = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.S)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m docs.generate")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a page is out of date")
    check = parser.parse_args().check
    outdated = []
    for page in sorted(REFERENCE.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        generated = _PLACE.sub(lambda place: place[1] + TABLES[place[2]]() + place[3], text)
        if generated != text:
            outdated.append(page.name)
            if not check:
                page.write_text(generated, encoding="utf-8")
    if check and outdated:
        sys.exit(f"Out of date: {', '.join(outdated)}. Run make docs.")


main()
