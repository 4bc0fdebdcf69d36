"""How far a job is, on stderr."""

import io
from typing import Any

import pytest
from rich.console import Console

from rowmill.client.display import display

JOB: dict[str, Any] = {
    "id": "job_1", "status": "running", "total": 1200, "processed": 300, "failed": 2, "rate": 3.14,
    "eta_seconds": 286.6, "cost_usd": 0.0031,
}  # fmt: skip
LINE = "job_1 running: 300 of 1,200 rows, 2 failed, 3.1 rows/s, 287 s left, $0.0031\n"


def test_off_a_terminal_there_is_a_line_every_half_minute(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("rowmill.client.display.time.monotonic", lambda: now[0])
    with display() as see:
        for _ in range(61):
            see(JOB)
            now[0] += 1.0
    assert capsys.readouterr().err == LINE * 2


def test_on_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120)
    monkeypatch.setattr("rich.console.Console", lambda stderr: console)
    with display() as see:
        see(JOB)
    assert "job_1 running" in screen.getvalue()
    assert "300 of 1,200 rows" in screen.getvalue()
