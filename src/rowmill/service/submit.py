"""From what a user asks for to a job in the store, or to the same job of an earlier run."""

import hashlib
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from rowmill.model.budget import Price, nano
from rowmill.model.columns import Column, parse_columns
from rowmill.model.errors import UsageError
from rowmill.model.job import Dataset, Job, JobDraft, Output, Settings, Step
from rowmill.model.ranges import parse_ranges
from rowmill.model.status import JobStatus, JobType
from rowmill.model.template import Template
from rowmill.plugins.registry import names
from rowmill.service.deliver import check_output, columns_of, occupied
from rowmill.service.pricing import price_of
from rowmill.service.source import Reading, open_source, put_back, take_in
from rowmill.store.store import Store

DEFAULT_COLUMN = "result"
_EMBEDDED = ("threads", "context")
"""Settings of the embedded model's runtime, not of an answer."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What ``rowmill run`` is asked for, word by word. ``price`` is dollars per million tokens (in, out)."""

    input: str | None = None
    from_job: str | None = None
    only: str | None = None
    prompt: str | None = None
    system: str | None = None
    columns: tuple[str, ...] = ()
    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    processor: str | None = None
    processor_path: tuple[str, ...] = ()
    model_settings: dict[str, Any] = field(default_factory=dict)
    output: str | None = None
    output_format: str | None = None
    input_format: str | None = None
    overwrite: bool = False
    new: bool = False
    rows: str | None = None
    name: str | None = None
    concurrency: int | None = None
    max_attempts: int | None = None
    timeout: float | None = None
    rpm: int | None = None
    tpm: int | None = None
    budget: Decimal | None = None
    price: tuple[Decimal, Decimal] | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """The job, and whether it was there before."""

    job: Job
    found: bool


def submit(store: Store, engine: str, request: RunRequest, tell: Reading = lambda rows: None) -> Submission:
    """Takes the input in and makes the job, or finds the same one of an earlier run and steers it.

    Raises ``UsageError`` and ``InputError`` for whatever cannot work; nothing is left behind then.
    """
    if request.from_job:
        return _submit_rest(store, request)
    step = step_of(request)
    if request.input is None:
        raise UsageError("There is no input.", "Give a file, - for stdin, or --from JOB.")
    with open_source(request.input, request.input_format) as source:
        output = _output(request, source.format)
        reader = source.reader()
        if source.format in ("csv", "tsv"):  # their columns are all known before the first row
            _check_columns(step, reader.columns, output)
        dataset = take_in(store, engine, source, reader, tell)
    try:
        _check_columns(step, dataset.columns, output)
        return _submit_over(store, request, step, dataset, output)
    except BaseException:
        put_back(store, dataset.pk)
        raise


def step_of(request: RunRequest) -> Step:
    """The one step that the request describes. Raises ``UsageError``."""
    columns = parse_columns(request.columns) or (Column(DEFAULT_COLUMN, _any_schema(request), typed=False),)
    outputs = {column.name: column.schema for column in columns}
    if request.processor:
        if request.prompt or request.model:
            raise UsageError("--processor does without --prompt and --model.", "Leave one or the other out.")
        config = {"function": request.processor, "path": list(request.processor_path)}
        return Step("python", "python", config, outputs)
    if not request.prompt:
        raise UsageError("There is nothing to do with the rows.", "Give --prompt or --processor.")
    provider, model = split_model(request.model)
    own = {key: value for key, value in request.model_settings.items() if provider == "local" and key in _EMBEDDED}
    prompt = {
        "prompt": request.prompt,
        "system": request.system,
        "provider": provider,
        "model": _absolute(provider, model),
        "provider_config": {
            "base_url": request.base_url,
            "api_key_env": request.api_key_env,
            **own,
        },
        "settings": {key: value for key, value in request.model_settings.items() if key not in own},
        "structured": len(columns) > 1 or any(column.typed for column in columns),
    }
    return Step("prompt", "prompt", prompt, outputs)


def split_model(model: str | None) -> tuple[str, str]:
    """``PROVIDER/MODEL`` in two. Raises ``UsageError`` with what is usable here."""
    providers = names("providers")
    if not model:
        raise UsageError(
            "There is no model.",
            "Give --model or set ROWMILL_MODEL: "
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


def _any_schema(request: RunRequest) -> dict[str, Any]:
    return {} if request.processor else {"type": "string"}


def _absolute(provider: str, model: str) -> str:
    """A job stores absolute paths: it may go on from another directory."""
    return str(Path(model).absolute()) if provider == "local" and model.endswith(".gguf") else model


def _output(request: RunRequest, input_format: str) -> Output | None:
    if request.output is None:
        return None
    return check_output(request.output, request.output_format, input_format, overwrite=request.overwrite)


def _check_columns(step: Step, columns: list[str], output: Output | None) -> None:
    if step.processor == "prompt":
        for text in (step.config["prompt"], step.config["system"]):
            if text:
                Template(text).check(columns)
    columns_of(columns, list(step.outputs), overwrite=bool(output and output.overwrite))


def _submit_over(store: Store, request: RunRequest, step: Step, dataset: Dataset, output: Output | None) -> Submission:
    selection = parse_ranges(request.rows, dataset.rows) if request.rows is not None else [(1, dataset.rows)]
    identity = _identity(dataset, selection, step, output)
    known = None if request.new else _same_run(store, identity)
    if known:
        return Submission(_steered(store, known, request), found=True)
    _check_free(store, output)
    draft = JobDraft(
        type=JobType.ENRICHMENT,
        name=request.name or dataset.name,
        dataset=dataset.pk,
        selection=selection,
        steps=[step],
        settings=_settings(request, Settings()),
        identity=identity,
        price=_price(request, step),
        output=output,
    )
    if request.new:
        return Submission(store.browse.job(store.control.submit(draft, store.clock())), found=False)
    pk, is_new = store.control.submit_once(draft, store.clock())  # another process may have been faster
    if not is_new:
        put_back(store, dataset.pk)
    return Submission(store.browse.job(pk), found=not is_new)


def _same_run(store: Store, identity: str) -> Job | None:
    """The job of an earlier run of the same; one that was to be cancelled when its process died is none."""
    known = store.browse.same_job(identity)
    if known and known.interrupted:
        store.control.bury(known.pk, store.clock())
        known = store.browse.same_job(identity)
    return known


def _submit_rest(store: Store, request: RunRequest) -> Submission:
    """A new job over the rows that another left, doing the same unless told otherwise."""
    origin = store.browse.find_job(request.from_job or "")
    if request.input or request.rows:
        raise UsageError("--from takes the rows of a job.", "Leave the input and --rows out.")
    if not request.only:
        raise UsageError("--from must know which rows.", "Add --only failed or --only unprocessed.")
    if origin.status in (JobStatus.PENDING, JobStatus.RUNNING):
        raise UsageError(f"{origin.id} is {origin.status}.", "Pause or cancel it first.")
    steps = [step_of(request)] if request.prompt or request.processor else origin.steps
    dataset = store.datasets.get(origin.dataset)
    output = _output(request, "csv")
    for step in steps:
        _check_columns(step, dataset.columns, output)
    _check_free(store, output)
    draft = JobDraft(
        type=origin.type,
        name=request.name or origin.name,
        dataset=origin.dataset,
        selection=[],
        steps=steps,
        settings=_settings(request, origin.settings),
        identity=f"{origin.id}:{request.only}",
        price=_price(request, steps[0]) if request.prompt else origin.price,
        output=output,
        from_job=origin.pk,
        from_status=request.only,
    )
    return Submission(store.browse.job(store.control.submit(draft, store.clock())), found=False)


def _identity(dataset: Dataset, selection: list[tuple[int, int]], step: Step, output: Output | None) -> str:
    """A hash of what makes a run the same run: content, rows, prompt, columns, model or function, output."""
    config = {key: value for key, value in step.config.items() if key != "provider_config"}
    config["base_url"] = (step.config.get("provider_config") or {}).get("base_url")
    whole = [
        dataset.content_hash,
        selection,
        step.processor,
        config,
        list(step.outputs.items()),
        output and output.path,
    ]
    return hashlib.sha256(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _settings(request: RunRequest, base: Settings) -> Settings:
    return Settings(**(asdict(base) | _steering(request)))


def _steering(request: RunRequest) -> dict[str, Any]:
    """What the request says about settings that may change while a job runs."""
    given = {
        "concurrency": request.concurrency,
        "max_attempts": request.max_attempts,
        "timeout": request.timeout,
        "rpm": request.rpm,
        "tpm": request.tpm,
        "budget": None if request.budget is None else nano(request.budget),
    }
    return {name: value for name, value in given.items() if value is not None}


def _steered(store: Store, job: Job, request: RunRequest) -> Job:
    if request.price and Price(*map(nano, request.price)) != job.price:
        raise UsageError(f"The price of {job.id} was pinned when it was made.", "Start afresh with --new.")
    if request.budget is not None and job.price is None:
        raise UsageError(
            f"{job.id} was made without a known price, so that a budget cannot be kept.",
            "Start afresh with --new, --budget and --price IN,OUT.",
        )
    if changes := _steering(request):
        store.control.steer(job.pk, **changes)
    return store.browse.job(job.pk)


def _price(request: RunRequest, step: Step) -> Price | None:
    if request.price:
        return Price(*(nano(dollars) for dollars in request.price))
    price = price_of(step)
    if request.budget is not None and price is None:
        raise UsageError(
            f"The price of {step.config.get('model', step.name)} is not known, so that a budget cannot be kept.",
            "Give --price IN,OUT in dollars per million tokens.",
        )
    return price


def _check_free(store: Store, output: Output | None) -> None:
    if output and occupied(output):
        raise UsageError(f"{output.path} exists already.", "Choose another file, or add --overwrite.")
