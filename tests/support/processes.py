"""Other processes on the store of a test."""

import subprocess
import sys
from pathlib import Path

_BEGIN = """
import sys
from pathlib import Path
from rowmill.ledger.opening import open_store

def say(line):
    print(line, flush=True)

home = Path(sys.argv[1])
"""


class Process:
    """A process that is told and says one line at a time."""

    def __init__(self, code: str, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _BEGIN + code, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def hear(self) -> str:
        """The next line that it says."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def tell(self) -> None:
        """Lets it go on where it waits for a line."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Processes:
    def __init__(self, home: Path) -> None:
        self._home = home
        self._running: list[Process] = []

    def start(self, code: str) -> Process:
        """Runs ``code``, which finds ``home``, ``open_store`` and ``say``."""
        process = Process(code, self._home)
        self._running.append(process)
        return process

    def end(self) -> None:
        for process in self._running:
            process.kill()
            for stream in (process.process.stdin, process.process.stdout):
                assert stream
                stream.close()
