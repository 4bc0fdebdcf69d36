"""A local store without a server."""

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

import rowmill
from rowmill.client import AsyncClient, Client, ClientError, JobStopped, WaitTimeout
from rowmill.core.errors import UsageError
from rowmill.ledger.opening import open_store
from rowmill.local import functions

from . import shop


def test_closing_saves_what_is_in_flight_and_leaves_the_job(tmp_path: Path, gate: threading.Event) -> None:
    with Client.local(tmp_path) as client:
        rows = [{"text": "wait"}, {"text": "good"}]
        job = client.jobs.create(rows, function=shop.held, output=["mood"], concurrency=1)
        next(event for event in job.events() if event.data and event.data["running"])
        threading.Timer(0.3, gate.set).start()
    with Client.local(tmp_path) as client:
        left = client.jobs.get(job.id)
        assert (left.status, left.processed, left.uncertain) == ("pending", 1, 0)
        with pytest.raises(JobStopped, match="is pending, and no living process works it") as stopped:
            left.wait()
        assert stopped.value.hint == "job.resume() goes on with it here."
        assert stopped.value.job.resume().wait(check=True).succeeded == 2


def test_a_job_that_another_living_process_may_take_up_is_waited_for(tmp_path: Path) -> None:
    async def wait(job_id: str) -> None:
        async with AsyncClient.local(tmp_path) as client:
            with pytest.raises(WaitTimeout):
                await client.jobs.wait(job_id, timeout=0.0)
            store.leave(other)
            with pytest.raises(JobStopped):
                await client.jobs.wait(job_id)

    with closing(open_store(tmp_path)) as store:
        with Client.local(tmp_path) as client:
            held = client.jobs.create([{"text": "a"}], function=shop.mood, start=False)
        found = store.browse.job_by_id(held.id)
        assert found
        store.control.resume(found.pk, store.clock(), detached=True)
        other = store.join()
        asyncio.run(wait(held.id))


def test_what_others_left_is_not_touched(tmp_path: Path) -> None:
    with Client.local(tmp_path) as client:
        held = client.jobs.create([{"text": "a"}], function=shop.mood, start=False)
    store = open_store(tmp_path)
    found = store.browse.job_by_id(held.id)
    assert found
    store.control.resume(found.pk, store.clock(), detached=True)
    store.close()
    with Client.local(tmp_path) as client:
        client.jobs.create([{"text": "good"}], function=shop.mood).wait(check=True)
        assert client.jobs.get(held.id).status == "pending"


def test_a_closed_one_says_so(tmp_path: Path) -> None:
    client = Client.local(tmp_path)
    client.close()
    client.close()
    with pytest.raises(ClientError, match="closed"):
        client.jobs.get("job_1")


def test_an_iteration_may_be_given_up_after_it_was_closed(tmp_path: Path) -> None:
    with Client.local(tmp_path) as client:
        job = client.jobs.create([{"text": "good"}] * 50_000, function=shop.mood, start=False)
        rows = cast("Generator[Any]", iter(job.results()))
        assert next(rows)["text"] == "good"
    rows.close()


def test_who_waits_while_it_is_closed_is_told(tmp_path: Path, gate: threading.Event) -> None:
    client = Client.local(tmp_path)
    job = client.jobs.create([{"text": "wait"}], function=shop.held)
    told: list[Exception] = []

    def wait() -> None:
        try:
            job.wait()
        except ClientError as error:
            told.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    next(event for event in job.events() if event.data and event.data["running"])
    threading.Timer(0.3, gate.set).start()
    client.close()
    waiting.join(30)
    assert "closed" in str(told[0])


def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    Client.local(tmp_path / "warm").close()
    before = threading.active_count()
    with Client.local(tmp_path) as client:
        client.jobs.create([{"text": "good"}], function=shop.mood).wait(check=True)
    assert threading.active_count() <= before


@pytest.mark.parametrize("use", [Client.local, AsyncClient.local, lambda: rowmill.enrich([{"a": 1}], prompt="x")])
def test_the_missing_extra_is_named(use: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("fastapi", "rowmill.api", "rowmill.local"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    with pytest.raises(UsageError, match=r"needs fastapi.*pip install 'rowmill\[serve\]'"):
        use()


def test_a_function_of_a_module_is_named_by_that() -> None:
    assert functions.register(shop.mood) == f"{shop.__name__}:mood"


def test_a_function_that_holds_what_cannot_be_compared_is_another_each_time() -> None:
    def holding(thing: object) -> Any:
        return lambda row: thing

    assert functions.register(holding(object())) != functions.register(holding(object()))
    assert functions.register(holding(1)) == functions.register(holding(1)) != functions.register(holding(2))


def test_a_function_has_the_same_name_in_each_process() -> None:
    script = "from rowmill.local import functions; print(functions.register(lambda row: row in {'a', 'b', 'c'}))"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = {
        subprocess.check_output([sys.executable, "-c", script], env={**env, "PYTHONHASHSEED": seed})
        for seed in ("1", "2", "3")
    }
    assert len(told) == 1


def test_a_function_that_only_another_process_knows_is_refused_in_a_sentence() -> None:
    with pytest.raises(UsageError, match="The function judge is known only to the script"):
        getattr(functions, "judge_0123456789ab")  # noqa: B009 - as the processor does


def test_a_job_that_a_limit_has_paused_goes_on_when_that_is_raised(tmp_path: Path) -> None:
    with Client.local(tmp_path) as client:
        client.limits.set(rows_per_month=1, usd_per_month=None)
        job = client.jobs.create([{"text": "good"}] * 3, function=shop.mood).wait()
        assert (job.status, job.pause_reason) == ("paused", "usage_limit")
        client.limits.set(rows_per_month=None, usd_per_month=None)
        assert job.wait(check=True).succeeded == 3
