"""``kill -9`` at random moments of one job: nothing saved is lost or called again."""

import os
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from rowmill.testing import ModelServer, Reply
from tests.support.deadline import DEADLINE

from .harness import Rowmill, assert_done, number_of, prompt, run_words

pytestmark = pytest.mark.xdist_group("process-kill")

ROWS = 1000
KILLS = 20


@dataclass
class Seen:
    """What was true at each kill."""

    kills: int = 0
    executions: int = 0
    allowance: int = 0
    """Sum of the concurrency over the kills."""

    in_flight: Counter[str] = field(default_factory=Counter)
    """In how many kills each prompt may have been under way."""

    saved: dict[str, int] = field(default_factory=dict)
    """Calls of each row that was saved, at the first kill after it was."""


def test_kills_at_random_moments_lose_and_repeat_nothing(rowmill: Rowmill) -> None:
    seed = int(os.environ.get("ROWMILL_TEST_SEED") or random.SystemRandom().randrange(10**6))
    print(f"the same moments again: ROWMILL_TEST_SEED={seed}")
    chance = random.Random(seed)
    rowmill.table(ROWS)
    with ModelServer(script=lambda request: Reply("ok", latency=0.005 + number_of(request) % 7 * 0.005)) as server:
        seen = Seen()
        while seen.kills < KILLS:
            _one_stretch(rowmill, server, chance, seen)
        job = _finish(rowmill)
        assert_done(rowmill.place / "out.csv", ROWS)
        _check(server, seen, job["uncertain"])
        assert len(job["executions"]) > seen.executions > KILLS * 3 // 4
        assert len(rowmill.jobs()) == 1


def _one_stretch(rowmill: Rowmill, server: ModelServer, chance: random.Random, seen: Seen) -> None:
    """Starts the job or goes on with it, lets it come some way, kills it, notes how it stands."""
    concurrency = chance.randint(5, 20)
    again = seen.kills == 0 or seen.kills % 2
    command = run_words(server, "in.csv", "--concurrency", str(concurrency))
    process = rowmill.start(*(command if again else ("resume", "last")))
    if not again:
        concurrency = rowmill.show()["concurrency"]
    calls = server.total + chance.randint(1, 40)
    if seen.kills % 5 == 4:
        # At a random moment from its very start.
        with suppress(TimeoutError):
            server.wait_for(calls, timeout=chance.uniform(0, 0.5))
    else:
        # At a random call, and from there at a random moment of the few milliseconds that a commit takes.
        server.wait_for(calls, DEADLINE)
        time.sleep(chance.uniform(0, 0.02))
    process.kill()
    _look(rowmill, server, seen, concurrency)


def _look(rowmill: Rowmill, server: ModelServer, seen: Seen, concurrency: int) -> None:
    job = rowmill.show()
    assert job["status"] == "running", job
    assert job["interrupted"] is True
    assert job["succeeded"] + job["failed"] + job["unprocessed"] == ROWS
    seen.kills += 1
    if len(job["executions"]) > seen.executions:  # or it was killed before it had the job
        running = [prompt(row["number"]) for row in rowmill.rows("running")]
        assert len(running) == job["running"] <= concurrency
        seen.allowance += concurrency
        seen.in_flight.update(running)
        seen.executions = len(job["executions"])
    saved = [prompt(row["number"]) for row in rowmill.rows("succeeded")]
    assert seen.saved.keys() <= set(saved), "a saved row was lost"
    for asked in saved:
        seen.saved.setdefault(asked, server.counts[asked])


def _finish(rowmill: Rowmill) -> dict[str, Any]:
    """Lets the job end; rows that were in flight at three kills have failed for that and are retried."""
    ended = rowmill.run("resume", "last")
    if ended.code == 4:
        assert {row["error"]["code"] for row in rowmill.rows("failed")} == {"crashed_process"}
        ended = rowmill.run("retry", "last")
    assert ended.code == 0, ended
    return rowmill.show()


def _check(server: ModelServer, seen: Seen, uncertain: int) -> None:
    calls = server.counts
    assert len(calls) == ROWS
    repeated = {asked: (count, seen.in_flight[asked]) for asked, count in calls.items() if count > 1}
    assert all(count <= 1 + kills for count, kills in repeated.values()), repeated
    assert server.total - ROWS <= uncertain <= seen.allowance
    assert uncertain == seen.in_flight.total()
    assert {asked: calls[asked] for asked in seen.saved} == seen.saved, "a saved row was called again"
