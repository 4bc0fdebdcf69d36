"""Starts ``rowmill`` as a user would, and waits for what it does."""

import csv
import json
import os
import signal
import subprocess
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from rowmill.cli.remedies import REMEDIES
from rowmill.jobs.view import job_view
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from rowmill.shapes.base import to_json
from rowmill.testing import ChatRequest, ModelServer, Reply
from tests.support.deadline import DEADLINE

PROGRAM = str(Path(sysconfig.get_path("scripts")) / "rowmill")
LOOK = 0.02
"""Seconds between two looks at something that cannot be awaited otherwise."""

KEY_NAME = "TEST_API_KEY"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended; ``code`` is negative for a signal."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)

    @property
    def complaint(self) -> str:
        """The one line that it said on stderr."""
        lines = self.stderr.splitlines()
        assert len(lines) == 1, self.stderr
        assert lines[0].startswith("rowmill: "), self.stderr
        return lines[0]


class Process:
    """A running ``rowmill``. Its output is read all the time, so that it never waits for us."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self._popen = subprocess.Popen(
            command, env=env, cwd=cwd, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, process_group=0,
        )  # fmt: skip
        self._said = threading.Condition()
        self._texts = {"stdout": "", "stderr": ""}
        self._readers = [self._follow("stdout", self._popen.stdout), self._follow("stderr", self._popen.stderr)]

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def alive(self) -> bool:
        return self._popen.poll() is None

    @property
    def stderr(self) -> str:
        return self._texts["stderr"]

    def signal(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def kill(self) -> None:
        """``kill -9``, also of the processes that it has started, as in a power cut; returns when it is gone. It may
        have ended by itself before."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._popen.wait(DEADLINE)

    def wait_for(self, text: str) -> None:
        """Blocks until ``text`` stands on stderr."""
        with self._said:
            found = self._said.wait_for(lambda: text in self.stderr or not self.alive, DEADLINE)
        assert found and text in self.stderr, f"{text!r} was not said: {self.stderr}"  # noqa: PT018

    def end(self, timeout: float = DEADLINE) -> Ended:
        """Waits for the end."""
        code = self._popen.wait(timeout)
        for reader in self._readers:
            reader.join(DEADLINE)
        return Ended(code, self._texts["stdout"], self._texts["stderr"])

    def close(self) -> None:
        self.kill()
        self.end()

    def _follow(self, name: str, pipe: IO[str] | None) -> threading.Thread:
        assert pipe is not None

        def follow() -> None:
            with pipe:
                for line in pipe:
                    with self._said:
                        self._texts[name] += line
                        self._said.notify_all()
            with self._said:
                self._said.notify_all()

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        return thread


@dataclass
class Rowmill:
    """The program on a store of its own below ``place``, which is also where it is run."""

    place: Path
    processes: list[Process] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home = self.place / "home"
        # Nothing of the shell that runs the tests: no key, no model, no proxy.
        self.env = {
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(self.place),
            "ROWMILL_HOME": str(self.home),
            "LANG": "C.UTF-8",
        }

    def start(self, *arguments: str, **env: str) -> Process:
        """Starts a command; ``env`` are more variables."""
        return self.start_through([], *arguments, **env)

    def start_through(self, words: Sequence[str], *arguments: str, **env: str) -> Process:
        """Starts a command with ``words`` before the program, which are to start it in their turn."""
        process = Process([*words, PROGRAM, *arguments], {**self.env, **env}, self.place)
        self.processes.append(process)
        return process

    def run(self, *arguments: str, **env: str) -> Ended:
        """Runs a command to its end."""
        return self.start(*arguments, **env).end()

    def ok(self, *arguments: str, **env: str) -> Ended:
        """Runs a command that must exit with 0."""
        ended = self.run(*arguments, **env)
        assert ended.code == 0, ended
        return ended

    def show(self, job: str = "last") -> dict[str, Any]:
        shown: dict[str, Any] = self.ok("show", job, "--json").json
        return shown

    def jobs(self) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = self.ok("jobs", "--json").json
        return jobs

    def rows(self, status: str | None = None, job: str = "last") -> list[dict[str, Any]]:
        only = ("--status", status) if status else ()
        rows: list[dict[str, Any]] = self.ok("rows", job, *only, "--limit", "10000", "--json").json
        return rows

    def wait_for_job(self, condition: Callable[[dict[str, Any]], bool], job: str = "last") -> dict[str, Any]:
        """Blocks until the job's JSON fulfils ``condition``; returns it. It is read as ``show`` does, but not by a
        process for each look."""
        until = time.monotonic() + DEADLINE
        with self.store() as store:
            while not condition(shown := _shown(store, job)):
                assert time.monotonic() < until, shown
                time.sleep(LOOK)
        return shown

    @contextmanager
    def store(self) -> Iterator[Store]:
        """The store itself, for what no command tells."""
        store = open_store(self.home)
        try:
            yield store
        finally:
            store.close()

    def count(self, table: str) -> int:
        """Lines of a table of the store."""
        with self.store() as store:
            return int(store.database.read(f"SELECT count(*) FROM {table}")[0][0])

    def table(self, rows: int, name: str = "in.csv") -> str:
        """Writes a table with the columns ``id`` and ``text``, each text another; returns its name."""
        with (self.place / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["id", "text"])
            writer.writerows([number, f"text-{number}"] for number in range(1, rows + 1))
        return name

    def close(self) -> None:
        for process in self.processes:
            process.close()


def _shown(store: Store, job: str) -> dict[str, Any]:
    found = store.browse.find_job(job)
    view = job_view(found, store.clock(), REMEDIES, store.browse.executions(found.pk))
    shown: dict[str, Any] = json.loads(to_json(view))
    return shown


def run_words(server: ModelServer, input_: str = "in.csv", *more: str, output: str | None = "out.csv") -> list[str]:
    """The words of a ``rowmill run`` of ``input_`` on ``server``."""
    words = ["run", input_, "--prompt", "Say {{text}}", "--model", "openai/test", "--base-url", server.url]
    return [*words, "--api-key-env", KEY_NAME, *(["-o", output] if output else []), *more]


def prompt(number: int) -> str:
    """What the server is asked about row ``number`` of ``Rowmill.table``."""
    return f"Say text-{number}"


def number_of(request: ChatRequest) -> int:
    """The row that a request is about."""
    return int(request.prompt.rpartition("-")[2])


def written(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def assert_done(path: Path, rows: int) -> None:
    """The file holds each of ``rows`` rows once, in order, all succeeded."""
    lines = written(path)
    assert [line["id"] for line in lines] == [str(number) for number in range(1, rows + 1)]
    assert {line["_status"] for line in lines} == {"succeeded"}
    assert {line["_error"] for line in lines} == {""}


def held_after(number: int) -> Callable[[ChatRequest], Reply]:
    """A script for the server: the first ``number`` rows are answered at once, the others when it releases them."""
    return lambda request: Reply("ok", held=number_of(request) > number)


class Answers:
    """A script for the server that can be changed while it serves: ``first`` until it is mended."""

    def __init__(self, first: Callable[[ChatRequest], Reply | str]) -> None:
        self._now = first

    def __call__(self, request: ChatRequest) -> Reply | str:
        return self._now(request)

    def mend(self) -> None:
        """From now on everything is answered well."""
        self._now = lambda request: Reply("ok")


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Blocks until ``condition`` holds."""
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, f"{what} did not come about"
        time.sleep(LOOK)
