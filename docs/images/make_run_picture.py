"""Makes ``run.svg``: a real run of ``rowmill demo`` in a terminal, its live lines as they stood two thirds through.

``python docs/images/make_run_picture.py`` needs the embedded model (``make demo`` fetches it) and about a minute.
"""

import os
import pty
import re
import subprocess
import sys
import sysconfig
import tempfile
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

COLUMNS = 156
SHOWN_AT = 66
"""Per cent of the rows at which the live lines are taken."""

_CONTROL = re.compile(r"\x1b\[[\d;?]*[A-HJKSThl]")
_FRAME = re.compile(r"\r\x1b\[2K|\r(?!\n)")
# Rich's own template loads a font from the network.
_SVG = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        said = run_demo(Path(home)).replace(home, "~")
    console = Console(record=True, width=COLUMNS, file=StringIO(), force_terminal=True, color_system="truecolor")
    for line in ["\x1b[1m$ rowmill demo\x1b[0m", *picture_lines(said)]:
        console.print(Text.from_ansi(line), soft_wrap=True)
    picture = console.export_svg(title="rowmill", code_format=_SVG, unique_id="run")
    Path(__file__).with_name("run.svg").write_text(picture, encoding="utf-8")


def run_demo(home: Path) -> str:
    """Everything that ``rowmill demo`` writes to a terminal of ``COLUMNS`` columns."""
    ours, theirs = pty.openpty()
    place = {"HOME": str(home), "ROWMILL_HOME": str(home / ".rowmill")}
    terminal = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LANG": "C.UTF-8"}
    program = Path(sysconfig.get_path("scripts"), "rowmill")
    demo = subprocess.Popen(  # noqa: S603 - our own program
        [program, "demo"], stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **place, **terminal}
    )
    os.close(theirs)
    said = b""
    try:
        while block := os.read(ours, 4096):
            said += block
    except OSError:  # what Linux says when the last process has left the terminal
        pass
    if demo.wait():
        sys.exit(f"rowmill demo ended with {demo.returncode}: {said.decode()}")
    return said.decode()


def picture_lines(said: str) -> list[str]:
    """The lines that stay, and the two live ones (a bar, and numbers) among them as they stood at ``SHOWN_AT``."""
    lines = []
    shown = False
    bar = ""
    for line in said.split("\r\n"):
        frames = [_CONTROL.sub("", frame) for frame in _FRAME.split(line)]
        live = [frame for frame in frames if " rows (" in frame]
        late = [frame for frame in live if int(re.findall(r"\((\d+) %\)", frame)[0]) >= SHOWN_AT]
        if late and not shown:
            lines += [bar, late[0].rstrip()]
            shown = True
        last = frames[-1].rstrip()
        if "━" in last:
            bar = last
        elif not live or frames[-1] not in live:
            lines.append(last)
    return lines


if __name__ == "__main__":
    main()
