"""The options of an enrichment, and the JSON that the API takes for them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from rowmill.client.columns import Columns, schemas
from rowmill.core.errors import UsageError

Function = str | Callable[[dict[str, Any]], Any]
"""``module:function``, or the function itself."""


class Settings(TypedDict, total=False):
    """What steers a job, and may be changed while it runs.

    ``concurrency`` rows in flight (5), ``max_attempts`` per row (3), ``timeout`` seconds for one call (60), ``rpm``
    and ``tpm`` calls and tokens a minute, ``budget_usd`` dollars before it pauses.
    """

    concurrency: int | None
    max_attempts: int | None
    timeout: float | None
    rpm: int | None
    tpm: int | None
    budget_usd: float | None


class Work(TypedDict, total=False):
    """What is done to each row, where it is one step: ``prompt`` (with ``system``, ``model``, ``connection``,
    ``settings`` of the model and ``price``, dollars per million tokens in and out), or ``url`` (with ``method``,
    ``headers``, ``body``, ``results`` and ``allow_private``), or ``function``. ``output`` are the columns it fills."""

    prompt: str
    system: str | None
    model: str | None
    connection: str | None
    settings: Mapping[str, Any]
    price: tuple[float, float]
    url: str
    method: str | None
    headers: Mapping[str, str]
    body: str | None
    results: Mapping[str, str]
    allow_private: bool
    function: Function
    output: Columns


class Enrichment(Work, Settings, total=False):
    """Everything that an enrichment may be told, besides its rows. ``steps`` are more than one, each a dict as ``Work``
    has it; ``select`` are rows (``"1-100"``); ``metadata`` is your own. Of a dataset: ``where``, ``keys`` and ``only``
    choose records; ``only`` chooses rows of ``from_job``, too."""

    steps: Sequence[Mapping[str, Any]]
    name: str | None
    metadata: Mapping[str, str]
    select: str | None
    where: str | None
    keys: Sequence[str] | None
    only: str | None


_KINDS = {"prompt": "prompt", "url": "http", "function": "python"}
_SETTINGS = tuple(Settings.__annotations__)
_OTHER_KEYS = {"name", "processor", "config"}
"""What a step of ``steps`` may have besides ``Work``: the last two for the processor of a plugin."""
_ABOUT = ("name", "select", "where", "only")


@dataclass(frozen=True, slots=True)
class EnrichmentDocument:
    """An enrichment as the API takes it, without its rows."""

    steps: list[dict[str, Any]]
    settings: dict[str, Any]
    about: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        return {"type": "enrichment", "steps": self.steps, **self.settings, **self.about}


def to_document(options: Enrichment, name_of: Callable[[Function], str]) -> EnrichmentDocument:
    """``name_of`` returns the ``module:function`` of a function. Raises ``UsageError``, and ``TypeError`` for an option
    that does not exist."""
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    unknown = given.keys() - Enrichment.__annotations__.keys()
    if unknown:
        raise TypeError(f"unknown option of an enrichment: {', '.join(sorted(unknown))}")
    work = {name: given[name] for name in Work.__annotations__ if name in given}
    steps = given.get("steps")
    if steps and work:
        raise UsageError(f"{next(iter(work))} was given beside steps.", "Move it into the step that it belongs to.")
    about = {name: given[name] for name in _ABOUT if name in given}
    about["metadata"] = dict(given.get("metadata", {}))
    if "keys" in given:
        about["keys"] = list(given["keys"])
    settings = {name: given[name] for name in _SETTINGS if name in given}
    each = steps or ([work] if work else [])
    return EnrichmentDocument([_step(step, name_of) for step in each], settings, about)


def _step(work: Mapping[str, Any], name_of: Callable[[Function], str]) -> dict[str, Any]:
    step = {name: value for name, value in work.items() if value is not None}
    if unknown := step.keys() - Work.__annotations__.keys() - _OTHER_KEYS:
        raise UsageError(f"A step has no option {min(unknown)!r}.", "Check its spelling.")
    kinds = [kind for name, kind in _KINDS.items() if name in step]
    if len(kinds) > 1 or not (kinds or "processor" in step):
        raise UsageError("A step does one thing.", "Give it one of prompt, url and function.")
    step.setdefault("processor", kinds[0] if kinds else None)
    if "function" in step:
        step["function"] = name_of(step["function"])
    if "output" in step:
        step["output"] = schemas(step["output"])
    if "price" in step and not isinstance(step["price"], Mapping):
        step["price"] = dict(zip(("input", "output"), step["price"], strict=True))
    return step


def importable(function: Function) -> str:
    """``function`` as ``module:function``. Raises ``UsageError`` if a server could not import it."""
    if isinstance(function, str):
        return function
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "<")
    if module in (None, "__main__") or "<" in name or "." in name:
        hint = "Give a function of a module that is installed there, as 'module:function'."
        raise UsageError("A server cannot import this function.", hint)
    return f"{module}:{name}"
