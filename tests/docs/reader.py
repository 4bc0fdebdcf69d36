"""Does what a page tells its reader to do, in a shell, and compares what is said."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.deadline import DEADLINE

from .pages import Block, Step

ENDPOINT = "http://127.0.0.1:8000/v1"
"""What the documentation calls the reader's own server."""

PID = "1234"
"""What the documentation calls the process in the background."""

SERVER = "127.0.0.1:8642"
"""Where the documentation has ``rowmill serve`` answer."""

RECEIVER = "127.0.0.1:9000"
"""Where it has the reader's own program answer."""

_SERVE = "rowmill serve"
_LOOK = 0.05


@dataclass
class Reader:
    """Works in ``place``, on a store of its own below it; ``endpoint`` stands for the reader's own server. Whatever is
    typed is typed into one terminal: variables last. Ports that the documentation names stand for free ones."""

    place: Path
    endpoint: str
    instead: dict[str, str] = field(default_factory=dict)
    """What is written in place of what a page says."""

    _background: list[tuple[subprocess.Popen[str], int]] = field(default_factory=list)
    _servers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _pid: int = 0

    def __post_init__(self) -> None:
        programs = sysconfig.get_path("scripts")
        self.env = {
            "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', '')}",
            "HOME": str(self.place),
            "ROWMILL_HOME": str(self.place / ".rowmill"),
            "LANG": "C.UTF-8",
            "BASE_URL": self.endpoint,
        }
        self._addresses = {address: f"127.0.0.1:{free_port()}" for address in (SERVER, RECEIVER)}
        self.env["ROWMILL_URL"] = f"http://{self._addresses[SERVER]}"

    def follow(self, step: Step) -> None:
        """Saves the file, or runs the commands and asserts how they end and what they say."""
        if step.skipped:
            return
        if step.block.file is not None:
            (self.place / step.block.file).write_text(self._moved(step.block.text), encoding="utf-8")
        elif step.address:
            self._serve(step, step.address)
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
            ["bash", "-c", f"{self._recalled}\ntrap 'declare -p > .terminal' EXIT\n{self._filled(script)}"],
            cwd=self.place,
            env=self.env,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=DEADLINE,
            check=False,
        )

    def serve(self) -> None:
        """Starts a server, as pages do."""
        self._serve(Step(Block("sh", _SERVE, "", None, 0), None), SERVER)

    def meant(self, address: str) -> str:
        """The address that one of the documentation stands for."""
        return self._addresses[address]

    def close(self) -> None:
        """Ends what is left in the background."""
        for process in (*self._servers.values(), *(process for process, _ in self._background)):
            process.kill()
            process.wait()

    def wait(self) -> None:
        """Blocks until what runs in the background has ended, each as the page says. Servers are ended."""
        self._wait_for_jobs()
        for address in list(self._servers):
            self._end(address)

    def _wait_for_jobs(self) -> None:
        while self._background:
            process, code = self._background.pop()
            ended = process.wait(DEADLINE)
            assert (128 - ended if ended < 0 else ended) == code

    def _start(self, step: Step) -> None:
        """Starts a command as in another terminal, and returns when rows of its job have been done."""
        self._wait_for_jobs()
        before = self._executions()
        self._background.append((self._process(step), step.code))
        _wait_until(lambda: self._executions() > before, f"line {step.block.line} did not get a job to run")

    def _serve(self, step: Step, address: str) -> None:
        """Starts a server as in another terminal, in place of the one that answered there, and returns when it
        answers."""
        if address in self._servers:
            self._end(address)
        self._servers[address] = process = self._process(step)
        where = self._addresses[address]
        _wait_until(lambda: answers(where) or process.poll() is not None, f"line {step.block.line} did not answer")
        assert process.poll() is None, f"line {step.block.line} ended: {(self.place / '.server').read_text()}"

    def _end(self, address: str) -> None:
        """Ends a server as a service manager does, unless the page has; one of ours ends well."""
        process = self._servers.pop(address)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        ended = process.wait(DEADLINE)
        assert ended == 0 or address != SERVER, (self.place / ".server").read_text()

    def _process(self, step: Step) -> "subprocess.Popen[str]":
        with (self.place / ".server").open("w") as said:
            process = subprocess.Popen(
                ["bash", "-c", f"{self._recalled}\nexec {self._filled(step.block.text)}"],
                cwd=self.place,
                env=self.env,
                text=True,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        self._pid = process.pid
        return process

    def _executions(self) -> int:
        shown = self.run("rowmill show last").stdout
        return shown.count("Execution ")

    @property
    def _recalled(self) -> str:
        """Brings the variables back that were set before."""
        return ". ./.terminal 2> .forgotten"

    def _filled(self, script: str) -> str:
        port = self._addresses[SERVER].rpartition(":")[2]
        script = self._moved(script).replace(_SERVE, f"{_SERVE} --port {port}")
        return script.replace(PID, str(self._pid)) if self._pid else script

    def _moved(self, text: str) -> str:
        text = text.replace(ENDPOINT, self.endpoint)
        for told, meant in (self._addresses | self.instead).items():
            text = text.replace(told, meant)
        return text


def free_port() -> int:
    """A port of 127.0.0.1 that nothing uses at this moment."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def answers(address: str) -> bool:
    """Whether an HTTP server answers there, whatever it says."""
    connection = http.client.HTTPConnection(address, timeout=DEADLINE)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status != 503  # it is there, and not still starting
    except OSError:
        return False
    finally:
        connection.close()


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
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(_LOOK)
