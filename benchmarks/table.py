"""What was measured, as a Markdown table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured thing in words, and whether it is as good as it must be (``None``: nothing is demanded)."""

    what: str
    measured: str
    bar: str = ""
    met: bool | None = None


def print_findings(findings: Iterable[Finding]) -> None:
    verdicts = {None: "", True: "met", False: "**missed**"}
    print_table(["what", "measured", "bar", ""], [[f.what, f.measured, f.bar, verdicts[f.met]] for f in findings])


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    for row in (headings, ["-" * width for width in widths], *rows):
        print("|", " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), "|")
    print(flush=True)
