"""The step that a request describes."""

from pathlib import Path
from typing import Any

from rowmill.core.columns import Column, parse_columns
from rowmill.core.errors import UsageError
from rowmill.core.job import Step
from rowmill.core.template import Template
from rowmill.jobs.submit.request import RunRequest
from rowmill.plugins.registry import load, names

DEFAULT_COLUMN = "result"
TEXT = {"type": "string"}
_EMBEDDED = ("threads", "context")
"""Settings of the embedded model's runtime, not of an answer."""


def step_of(request: RunRequest) -> Step:
    """The one step that the request describes. Raises ``UsageError``."""
    columns = _columns(request)
    outputs = {column.name: column.schema for column in columns}
    given = [name for name, value in (("--processor", request.processor), ("--url", request.url)) if value]
    if given and (request.prompt or request.model or len(given) > 1):
        raise UsageError(f"{given[0]} does without --prompt, --model and others of its kind.", "Choose one of them.")
    if request.connection and (given or request.base_url or request.api_key_env):
        hint = "Leave --base-url, --api-key-env, --processor and --url out."
        raise UsageError("A connection says by itself where a model is and with which key.", hint)
    if request.processor:
        config = {"function": request.processor, "path": list(request.processor_path)}
        return Step("python", "python", config, outputs)
    if request.url:
        return _http_step(request, outputs)
    if not request.prompt:
        raise UsageError("There is nothing to do with the rows.", "Give --prompt, --processor or --url.")
    provider, model = split_model(request.model)
    own = {key: value for key, value in request.model_settings.items() if provider == "local" and key in _EMBEDDED}
    prompt = {
        "prompt": request.prompt,
        "system": request.system,
        "provider": provider,
        "model": _absolute(provider, model),
        "provider_config": {**_reached_by(request), **own},
        "settings": {key: value for key, value in request.model_settings.items() if key not in own},
        "structured": len(columns) > 1 or any(column.typed for column in columns),
    }
    texts = [text for text in (request.prompt, request.system) if text]
    inputs = list(dict.fromkeys(name for text in texts for name in Template(text).variables))
    return Step("prompt", "prompt", prompt, outputs, inputs)


def _reached_by(request: RunRequest) -> dict[str, Any]:
    """A connection by its name alone: what it holds may change, and a job never stores a key."""
    if request.connection:
        return {"connection": request.connection}
    return {"base_url": request.base_url, "api_key_env": request.api_key_env}


def _http_step(request: RunRequest, outputs: dict[str, dict[str, Any]]) -> Step:
    config = {
        "method": request.method,
        "url": request.url,
        "headers": dict(request.headers),
        "body": request.body,
        "results": dict(request.paths),
        "allow_private": request.allow_private,
    }
    given = {name: value for name, value in config.items() if value is not None}
    return Step("http", "http", given, outputs, list(load("processors", "http").inputs(given)))


def split_model(model: str | None) -> tuple[str, str]:
    """``PROVIDER/MODEL`` in two. Raises ``UsageError`` with what is usable here."""
    providers = names("providers")
    if not model:
        raise UsageError(
            "There is no model.",
            "Name one (--model, or model in the step) or set ROWMILL_MODEL: "
            + ", ".join(f"{p}/NAME" for p in providers if p != "local")
            + ", or local/smollm2 (embedded: small and weak, but free).",
        )
    provider, slash, name = model.partition("/")
    if not slash or not name:
        raise UsageError(f"{model!r} names no provider.", f"Did you mean openai/{provider}?")
    if provider not in providers:
        hint = f"Providers: {', '.join(providers)}. For any OpenAI-compatible endpoint: openai/{model} with --base-url."
        raise UsageError(f"There is no provider {provider!r}.", hint)
    return provider, name


def _columns(request: RunRequest) -> tuple[Column, ...]:
    if request.outputs:
        return tuple(Column(name, schema, schema != TEXT) for name, schema in request.outputs.items())
    return parse_columns(request.columns) or (Column(DEFAULT_COLUMN, _any_schema(request), typed=False),)


def _any_schema(request: RunRequest) -> dict[str, Any]:
    return {} if request.processor or request.url else TEXT


def _absolute(provider: str, model: str) -> str:
    """A job stores absolute paths: it may go on from another directory."""
    return str(Path(model).absolute()) if provider == "local" and model.endswith(".gguf") else model
