"""Functions that print, exit, block the event loop or swallow their cancellation."""

import signal
from pathlib import Path

import pytest

from .harness import Rowmill, wait_until

pytestmark = pytest.mark.xdist_group("process-rude")

FUNCTIONS = """
import asyncio, os, pathlib, sys, time

def prints(row):
    print("noise")
    os.write(1, b"more noise")
    return row["text"]

async def exits(row):
    sys.exit(3)

async def blocks(row):
    pathlib.Path("begun").touch()
    time.sleep(1000)

async def swallows(row):
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass
"""


@pytest.fixture
def rude(rowmill: Rowmill) -> Rowmill:
    (rowmill.place / "rude.py").write_text(FUNCTIONS)
    (rowmill.place / "in.csv").write_text("id,text\n1,a\n2,b\n")
    return rowmill


def test_what_a_function_prints_is_no_part_of_the_results(rude: Rowmill) -> None:
    ended = rude.ok("run", "in.csv", "--processor", "rude:prints", "-o", "-")
    assert ended.stdout == "id,text,result,_status,_error\n1,a,a,succeeded,\n2,b,b,succeeded,\n"
    assert "noise" in ended.stderr
    assert rude.ok("run", "in.csv", "--processor", "rude:prints", "-c", "again", "--json").json["succeeded"] == 2


def test_a_function_that_exits_fails_its_row_alone(rude: Rowmill) -> None:
    ended = rude.run("run", "in.csv", "--processor", "rude:exits", "--max-attempts", "1")
    assert ended.code == 5
    assert "function_error: SystemExit: 3" in ended.stderr
    assert rude.show()["error"]["code"] == "function_error"


def test_a_function_that_swallows_its_cancellation_is_given_up(rude: Rowmill) -> None:
    ended = rude.run("run", "in.csv", "--processor", "rude:swallows", "--timeout", "1", "--max-attempts", "1")
    assert ended.code == 5
    assert "timeout: The call did not end 5 seconds after its timeout" in ended.stderr


def test_a_function_that_blocks_the_event_loop_does_not_keep_ctrl_c_away(rude: Rowmill) -> None:
    process = rude.start("run", "in.csv", "--processor", "rude:blocks")
    wait_until(Path(rude.place / "begun").exists, "the first call")
    process.signal(signal.SIGINT)
    rude.wait_for_job(lambda job: job["stopping"])

    def gone() -> bool:
        process.signal(signal.SIGINT)  # two that come at once count as one
        return not process.alive

    wait_until(gone, "the end")
    assert process.end().code == 130
