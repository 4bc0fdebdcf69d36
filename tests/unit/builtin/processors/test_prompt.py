import asyncio
from typing import Any

import pytest

from rowmill.builtin.processors.prompt import PromptProcessor
from rowmill.core.errors import NotFound, UsageError
from rowmill.core.outcome import Done, Outcome, RetryLater, StopJob, Usage
from rowmill.testing import ModelServer, Reply

MOOD: dict[str, Any] = {"mood": {"type": "string", "enum": ["good", "bad"]}}
TEXT: dict[str, Any] = {"summary": {"type": "string"}}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def processor(server: ModelServer | None, outputs: dict[str, Any], **config: Any) -> PromptProcessor:
    url = server.url if server else "http://127.0.0.1:9/v1"
    connection = {"provider": "openai", "model": "small", "provider_config": {"base_url": url}}
    return PromptProcessor({"prompt": "Rate {{a}}", "system": None, "settings": {}, **connection, **config}, outputs)


def process(reply: Reply | str, outputs: dict[str, Any], **config: Any) -> tuple[Outcome, ModelServer]:
    async def scenario(server: ModelServer) -> Outcome:
        step = processor(server, outputs, **config)
        await step.open()
        try:
            return await step.process({"a": "it"})
        finally:
            await step.close()

    with ModelServer(script=[reply]) as server:
        return asyncio.run(scenario(server)), server


def test_structured_output_is_asked_for_and_read() -> None:
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2"}
    reply = Reply('{"mood": "Good"}', tokens=(8, 3), headers=headers)
    outcome, server = process(reply, MOOD, structured=True, system="Be brief, {{a}}.", settings={"seed": 1})
    assert outcome == Done({"mood": "good"}, Usage(8, 3), hold=2.0)
    body = server.requests[0].body
    assert body["messages"] == [
        {"role": "system", "content": "Be brief, it."},
        {"role": "user", "content": "Rate it"},
    ]
    assert body["seed"] == 1
    assert body["response_format"]["json_schema"]["schema"]["properties"] == MOOD


def test_plain_text_is_the_whole_answer() -> None:
    outcome, server = process(Reply(' {"a": 1} \n', tokens=(8, 3)), TEXT, structured=False)
    assert outcome == Done({"summary": '{"a": 1}'}, Usage(8, 3))
    assert "response_format" not in server.requests[0].body


@pytest.mark.parametrize(
    ("reply", "outputs", "structured", "sentence"),
    [
        (Reply(" ", tokens=(8, 3)), TEXT, False, "The answer is empty."),
        (Reply("good", tokens=(8, 3)), MOOD, True, "The answer is not a JSON object: good."),
        (Reply("{}", tokens=(8, 3)), MOOD, True, "The answer lacks 'mood'."),
        (
            Reply('{"mo', tokens=(8, 3), finish_reason="length"),
            MOOD,
            True,
            "small was cut off: its answer reached the length limit.",
        ),
    ],
)
def test_an_invalid_answer_is_tried_again_and_paid(
    reply: Reply, outputs: dict[str, Any], structured: bool, sentence: str
) -> None:
    outcome, _ = process(reply, outputs, structured=structured)
    assert outcome == RetryLater("invalid_output", sentence, usage=Usage(8, 3))


def test_what_the_provider_says_is_passed_on() -> None:
    outcome, _ = process(Reply(status=402), TEXT, structured=False)
    assert isinstance(outcome, StopJob)
    assert outcome.code == "no_credit"


def test_limits_are_the_providers() -> None:
    step = processor(None, TEXT, structured=False)
    assert step.limit_key
    assert step.max_concurrency is None


def test_a_rows_weight_grows_with_its_text_and_with_the_answers_seen() -> None:
    async def scenario(server: ModelServer) -> tuple[int, int, int]:
        step = processor(server, TEXT, structured=False, system="x" * 400)
        await step.open()
        before, longer = step.weigh({"a": ""}), step.weigh({"a": "y" * 4000})
        for _ in range(200):
            await step.process({"a": ""})
        await step.close()
        return before, longer, step.weigh({"a": ""})

    with ModelServer(script=lambda _: Reply("fine", tokens=(5, 2000))) as server:
        before, longer, after = asyncio.run(scenario(server))
    assert longer - before == 1000
    assert before > 100
    assert 1900 < after - before + 100 <= 2001


@pytest.mark.parametrize(
    ("outputs", "config", "error"),
    [
        (MOOD | TEXT, {"structured": False}, UsageError),
        ({}, {"structured": True}, UsageError),
        (TEXT, {"prompt": "{{a"}, UsageError),
        (TEXT, {"provider": "opnai"}, NotFound),
    ],
)
def test_what_cannot_work_is_refused(outputs: dict[str, Any], config: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        processor(None, outputs, **config)
