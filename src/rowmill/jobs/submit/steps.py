"""The steps of a job: from their specs to what is stored with the job."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rowmill.connections.service import qualified
from rowmill.core.errors import UsageError
from rowmill.core.job import Step
from rowmill.core.template import Template
from rowmill.engine.engine import processor_of
from rowmill.jobs.spec import TEXT, HttpStep, JobSpec, PluginStep, PromptStep, PythonStep, StepSpec
from rowmill.ledger.store import Store
from rowmill.plugins.registry import load, names

_EMBEDDED = ("threads", "context")
"""Settings of the embedded model's runtime, not of an answer."""


def build_steps(store: Store, spec: JobSpec) -> list[Step]:
    """The steps of ``spec``. Raises ``UsageError`` where one cannot work here (no key, not installed)."""
    steps = [step_of(store, step) for step in spec.steps]
    for step in steps:
        processor_of(step, store)
    return steps


def step_of(store: Store, spec: StepSpec) -> Step:
    """The step that is stored with the job. Raises ``UsageError``."""
    match spec:
        case PromptStep():
            config, inputs = _prompt(store, spec)
            return Step(spec.name, "prompt", config, spec.outputs, inputs, spec.price)
        case HttpStep():
            given = asdict(spec)
            config = {name: given[name] for name in ("method", "url", "headers", "body", "results", "allow_private")}
            config = {name: value for name, value in config.items() if value is not None}
            inputs = list(load("processors", "http").inputs(config))
            return Step(spec.name, "http", config, spec.outputs, inputs)
        case PythonStep():
            return Step(spec.name, "python", {"function": spec.function, "path": list(spec.path)}, spec.outputs)
        case PluginStep():
            return Step(spec.name, spec.processor, spec.config, spec.outputs)


def _prompt(store: Store, spec: PromptStep) -> tuple[dict[str, Any], list[str]]:
    provider, model = split_model(qualified(store, spec.connection, spec.model))
    if provider == "local" and model.endswith(".gguf"):
        model = str(Path(model).absolute())  # the job may be continued from another directory
    # A connection by its name alone: its details may change, and a job never stores a key.
    access = {"base_url": spec.base_url, "api_key_env": spec.api_key_env}
    runtime = {name: value for name, value in spec.settings.items() if provider == "local" and name in _EMBEDDED}
    config = {
        "prompt": spec.prompt,
        "system": spec.system,
        "provider": provider,
        "model": model,
        "provider_config": ({"connection": spec.connection} if spec.connection else access) | runtime,
        "settings": {name: value for name, value in spec.settings.items() if name not in runtime},
        "structured": len(spec.outputs) > 1 or any(schema != TEXT for schema in spec.outputs.values()),
    }
    texts = [text for text in (spec.prompt, spec.system) if text]
    return config, list(dict.fromkeys(name for text in texts for name in Template(text).variables))


def split_model(model: str | None) -> tuple[str, str]:
    """``PROVIDER/MODEL`` in two. Raises ``UsageError`` with the models that can be used here."""
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
