"""Does what a page tells its reader to do, in a shell, and compares what is said."""

import os
import re
import subprocess
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from .pages import Step

ENDPOINT = "http://127.0.0.1:8000/v1"
"""What the documentation calls the reader's own server."""

PID = "1234"
"""What the documentation calls the process in the background."""

_DEADLINE = 60.0
_LOOK = 0.05


@dataclass
class Reader:
    """Works in ``place``, on a store of its own below it; ``endpoint`` stands for the reader's own server."""

    place: Path
    endpoint: str
    _background: list[tuple[subprocess.Popen[str], int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        programs = sysconfig.get_path("scripts")
        self.env = {
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
            "HOME": str(self.place),
            "ROWMILL_HOME": str(self.place / ".rowmill"),
            "LANG": "C.UTF-8",
            "BASE_URL": self.endpoint,
        }

    def follow(self, step: Step) -> None:
        """Saves the file, or runs the commands and asserts how they end and what they say."""
        if step.skipped:
            return
        if step.block.file is not None:
            (self.place / step.block.file).write_text(step.block.text, encoding="utf-8")
        elif step.background:
            self._start(step)
        else:
            ended = self.run(step.block.text)
            assert ended.returncode == step.code, f"line {step.block.line}: {ended.stdout}"
            if step.output is not None:
                assert_says(ended.stdout, step.output, f"line {step.block.line}")

    def run(self, script: str) -> "subprocess.CompletedProcess[str]":
        """Runs a script, its stderr on stdout, as a terminal shows them."""
        return subprocess.run(
            ["bash", "-c", self._filled(script)],
            cwd=self.place,
            env=self.env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_DEADLINE,
            check=False,
        )

    def close(self) -> None:
        """Ends what is left in the background."""
        for process, _ in self._background:
            process.kill()
            process.wait()

    def wait(self) -> None:
        """Blocks until what runs in the background has ended, each as the page says."""
        while self._background:
            process, code = self._background.pop()
            ended = process.wait(_DEADLINE)
            assert (128 - ended if ended < 0 else ended) == code

    def _start(self, step: Step) -> None:
        """Starts a command as in another terminal, and returns when rows of its job have been done."""
        self.wait()
        before = self._executions()
        process = subprocess.Popen(
            ["bash", "-c", f"exec {self._filled(step.block.text)}"],
            cwd=self.place,
            env=self.env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._background.append((process, step.code))
        _wait_until(lambda: self._executions() > before, f"line {step.block.line} did not get a job to run")

    def _executions(self) -> int:
        shown = self.run("rowmill show last").stdout
        return shown.count("Execution ")

    def _filled(self, script: str) -> str:
        script = script.replace(ENDPOINT, self.endpoint)
        return script.replace(PID, str(self._background[-1][0].pid)) if self._background else script


def assert_says(said: str, told: str, where: str) -> None:
    """``told`` may hold ``…``: within a line for any text, alone on a line for any number of lines. Columns are as wide
    as what stands in them, so runs of spaces do not count."""
    wanted = "".join(_pattern(line) for line in _narrow(told))
    assert re.fullmatch(wanted, "".join(f"{line}\n" for line in _narrow(said))), (
        f"{where}: what is said\n{said}\nis not what the page says\n{told}"
    )


def _pattern(line: str) -> str:
    if line == "…":
        return r"(?:.*\n)*?"
    return re.escape(line).replace("…", ".*?").replace(PID, r"\d+") + r"\n"


def _narrow(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.strip().splitlines()]


def _wait_until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(_LOOK)
