"""Fills columns from a model's answer to a prompt."""

from collections.abc import Mapping
from typing import Any

import orjson

from rowmill.builtin.processors.answers import AnswerReader, InvalidAnswer
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Done, Outcome, RetryLater
from rowmill.core.template import Template
from rowmill.plugins.contracts import Completion, Provider, Request
from rowmill.plugins.registry import load

_CHARACTERS_PER_TOKEN = 4
_FIRST_GUESS = 100.0
"""Tokens that an answer is taken to have before any has been seen."""
_WEIGHT_OF_NEWEST = 0.05


class PromptProcessor:
    """``config``: ``prompt`` and ``system`` (texts with ``{{Column}}`` variables, ``system`` may be ``None``),
    ``provider`` and ``model``, ``provider_config``, ``settings`` (passed to the model as they are) and ``structured``
    (ask for one JSON object that fits the outputs; without it the whole answer is the value of the one output).
    Raises ``UsageError`` for what cannot work."""

    def __init__(self, config: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]) -> None:
        structured = bool(config.get("structured"))
        if not outputs or (len(outputs) > 1 and not structured):
            raise UsageError(f"A plain text answer fills one column, not {len(outputs)}.", "Ask for structured output.")
        self._prompt = Template(config["prompt"])
        self._system = Template(config["system"]) if config.get("system") else None
        self._settings = dict(config.get("settings") or {})
        self._answers = AnswerReader(outputs, structured=structured)
        self._schema = self._answers.schema if structured else None
        self._schema_length = len(orjson.dumps(self._schema)) if structured else 0
        factory = load("providers", config["provider"])
        self._provider: Provider = factory(config["model"], config.get("provider_config") or {})
        self._tokens_out = _FIRST_GUESS
        self.limit_key = self._provider.limit_key
        self.max_concurrency = self._provider.max_concurrency

    async def open(self) -> None:
        await self._provider.open()

    async def close(self) -> None:
        await self._provider.close()

    async def process(self, values: Mapping[str, Any]) -> Outcome:
        """Asks the model about one row."""
        completion = await self._provider.complete(Request(self._messages(values), self._schema, self._settings))
        if not isinstance(completion, Completion):
            return completion
        self._tokens_out += (completion.usage.tokens_out - self._tokens_out) * _WEIGHT_OF_NEWEST
        try:
            return Done(self._answers.read(completion.text), completion.usage, completion.hold)
        except InvalidAnswer as error:
            return RetryLater("invalid_output", str(error), usage=completion.usage)

    def weigh(self, values: Mapping[str, Any]) -> int:
        """Tokens in (a quarter of the characters sent) and out (as recent answers had) that this row may use."""
        characters = sum(len(message["content"]) for message in self._messages(values)) + self._schema_length
        return int(characters / _CHARACTERS_PER_TOKEN + self._tokens_out) + 1

    def _messages(self, values: Mapping[str, Any]) -> list[dict[str, str]]:
        user = {"role": "user", "content": self._prompt.render(values)}
        if self._system is None:
            return [user]
        return [{"role": "system", "content": self._system.render(values)}, user]
