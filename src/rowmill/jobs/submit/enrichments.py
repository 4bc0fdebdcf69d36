"""From what a user asks for to a job in the store, or to the same job of an earlier run."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from rowmill.core.errors import NothingToDo, UsageError
from rowmill.core.job import Job, JobDraft, Output, Settings, Step
from rowmill.core.money import Price, nano
from rowmill.core.ranges import parse_ranges
from rowmill.core.status import JobStatus, JobType
from rowmill.core.suggest import did_you_mean, listing
from rowmill.engine.inputs import result_columns, used_columns
from rowmill.jobs.deliver import check_free, check_output, columns_of
from rowmill.jobs.submit.choice import Choice, choose
from rowmill.jobs.submit.intake import Reading, put_back, take_in
from rowmill.jobs.submit.pricing import price_of
from rowmill.jobs.submit.request import RunRequest
from rowmill.jobs.submit.steps import step_of
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset
from rowmill.tables.source import check_name, open_source
from rowmill.tables.where import Where

_DEFAULTS = Settings()


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
    steps = _steps(request)
    if request.input is None:
        raise UsageError("There is no input.", "Give a file, a dataset, - for stdin, or --from JOB.")
    if dataset := dataset_meant(store, request.input):
        return _submit_chosen(store, request, steps, dataset)
    _refuse_choice(request)
    with open_source(request.input, request.input_format) as source:
        source.name = request.input_name or source.name
        output = _output(request, source.format)
        reader = source.reader()
        if source.format in ("csv", "tsv"):  # their columns are all known before the first row
            _check_columns(steps, reader.columns, output)
        dataset = take_in(store, engine, source, reader, tell)
    try:
        _check_columns(steps, dataset.columns, output)
        return _submit_over(store, request, steps, dataset, output)
    except BaseException:
        put_back(store, dataset.pk)
        raise


def dataset_meant(store: Store, name: str) -> Dataset | None:
    """The dataset that INPUT means, ``None`` where it means a file. Raises ``UsageError`` where it could mean both."""
    check_name(name)
    dataset = store.datasets.named(name)
    if dataset and Path(name).is_file():
        raise UsageError(f"Both a dataset and a file are called {name}.", f"Write {dataset.id} or ./{name}.")
    return dataset


def _output(request: RunRequest, input_format: str) -> Output | None:
    if request.output is None:
        return None
    return check_output(request.output, request.output_format, input_format, overwrite=request.overwrite)


def _steps(request: RunRequest) -> list[Step]:
    return list(request.steps) or [step_of(request)]


def _check_columns(
    steps: Sequence[Step], columns: Sequence[str], output: Output | None, results: Sequence[str] = ()
) -> None:
    """Raises ``UsageError`` where a step uses a column that neither the input nor a step before it has, or two columns
    clash."""
    known = [*columns, *results]
    outputs: list[str] = []
    for step in steps:
        if unnamed := [name for name in step.outputs if not name.strip() or not name.isprintable()]:
            raise UsageError(f"{unnamed[0]!r} is no name for a column.", "Give the output column another name.")
        for name in step.inputs or ():
            if name not in known:
                hint = f"{did_you_mean(name, known)} The columns are: {listing(known)}.".strip()
                raise UsageError(f"{{{{{name}}}}} is used, but there is no such column.", hint)
        if twice := next((name for name in step.outputs if name in outputs), None):
            raise UsageError(f"Two steps fill the column {twice!r}.", "Give one of them another name.")
        outputs += step.outputs
        known += step.outputs
    columns_of(columns, outputs, overwrite=bool(output and output.overwrite))


def _submit_over(
    store: Store, request: RunRequest, steps: list[Step], dataset: Dataset, output: Output | None
) -> Submission:
    selection = parse_ranges(request.rows, dataset.rows) if request.rows is not None else [(1, dataset.rows)]
    identity = _identity(dataset, selection, steps, output)
    known = None if request.new else same_run(store, identity)
    if known:
        return Submission(_steered(store, known, request), found=True)
    check_free(output)
    draft = _draft(store, request, dataset, selection, steps, output, identity)
    made = _made(store, request, draft)
    if made.found:
        put_back(store, dataset.pk)
    return made


def _made(store: Store, request: RunRequest, draft: JobDraft, *, again: bool = False) -> Submission:
    """The new job, or the same one of another process that was faster; with ``again`` only one that has not ended."""
    if request.new:
        return Submission(store.browse.job(store.control.submit(draft, store.clock())), found=False)
    pk, is_new = store.control.submit_once(draft, store.clock(), again=again)
    return Submission(store.browse.job(pk), found=not is_new)


def same_run(store: Store, identity: str) -> Job | None:
    """The job of an earlier run of the same; one that was to be cancelled when its process died is none."""
    known = store.browse.same_job(identity)
    if known and known.interrupted:
        store.control.recover(known.pk, store.clock())
        known = store.browse.same_job(identity)
    return known


def _refuse_choice(request: RunRequest) -> None:
    """What only a dataset can be asked for."""
    called = request.input_name or request.input
    for option, value in (("--where", request.where), ("--keys", request.keys), ("--only", request.only)):
        if value:
            key = " --key COLUMN" if option != "--where" else ""
            hint = f"Import it first: rowmill import {called} --dataset NAME{key}"
            raise UsageError(f"{option} chooses records of a dataset, and {called} is a file.", hint)


def _draft(
    store: Store,
    request: RunRequest,
    dataset: Dataset,
    selection: Iterable[tuple[int, int]],
    steps: Sequence[Step],
    output: Output | None,
    identity: str,
    base: Settings = _DEFAULTS,
) -> JobDraft:
    """A new enrichment of ``dataset`` as it stands, with the settings of ``base`` where the request says nothing."""
    settings = Settings(**(asdict(base) | _steering(request)))
    return JobDraft(
        type=JobType.ENRICHMENT,
        name=request.name or dataset.name,
        dataset=dataset.pk,
        selection=selection,
        steps=[_priced(store, request, step, settings.budget) for step in steps],
        settings=settings,
        identity=identity,
        output=output,
        revision=dataset.revision,
        result_version=dataset.result_version,
        **request.handed_on,
    )


def _submit_chosen(store: Store, request: RunRequest, steps: list[Step], dataset: Dataset) -> Submission:
    """A job over records of a lasting dataset, or the same one that has not ended; with everything chosen also the same
    one that has. Raises ``NothingToDo`` where no record is new or has changed."""
    if request.only in ("failed", "unprocessed"):
        raise UsageError(f"--only {request.only} takes the rows of a job.", "Add --from JOB, or choose --only new.")
    output = _output(request, "csv")
    results = [name for name in result_columns(store, dataset) if name not in _outputs(steps)]
    _check_own(steps, dataset)
    _check_columns(steps, dataset.columns, output, results)
    only = request.only or "all"
    choice = Choice(request.rows, request.where, request.keys, only)
    identity = _chosen_identity(store, dataset, choice, steps, output)
    known = None if request.new else same_run(store, identity)
    outdated = known if known and _is_outdated(known, dataset, choice, steps) else None
    if known and not outdated and (known.status is not JobStatus.COMPLETED or not _is_moving(choice, steps)):
        return Submission(_steered(store, known, request), found=True)
    selection = choose(store, dataset, choice, steps)
    if not selection:
        if dataset.rows == 0:
            raise UsageError(f"The dataset {dataset.name} is empty: no import into it has ended.", "Let one end first.")
        if only == "all":
            raise UsageError(f"{dataset.name} has no such record.", "Choose others by --rows, --where or --keys.")
        raise NothingToDo(f"No record of {dataset.name} is new{' or has changed' if only == 'changed' else ''}.")
    check_free(output)
    draft = _draft(store, request, dataset, selection, steps, output, identity)
    if outdated:
        # What it has found is kept, and what is left of it is new or has changed still: the new job takes it up.
        store.control.cancel(outdated.pk, store.clock())
    return _made(store, request, draft, again=_is_moving(choice, steps))


def _chosen_identity(
    store: Store, dataset: Dataset, choice: Choice, steps: Sequence[Step], output: Output | None
) -> str:
    moment = None if _is_moving(choice, steps) else [dataset.revision, _seen_stamp(store, dataset, choice, steps)]
    return _hash([dataset.id, moment, asdict(choice), *_sameness(steps, output)])


def _outputs(steps: Sequence[Step]) -> dict[str, object]:
    return {name: schema for step in steps for name, schema in step.outputs.items()}


def _check_own(steps: Sequence[Step], dataset: Dataset) -> None:
    if clash := next((name for name in _outputs(steps) if name in dataset.columns), None):
        raise UsageError(f"{dataset.name} has a column {clash!r} itself.", "Give the output column another name.")


def _is_moving(choice: Choice, steps: Sequence[Step]) -> bool:
    """Whether the choice depends on what the steps themselves have found: then it is another question every day, and
    the same run is only one that has not ended."""
    if choice.only != "all":
        return True
    return choice.where is not None and not _outputs(steps).keys().isdisjoint(Where(choice.where).variables)


def _is_outdated(job: Job, dataset: Dataset, choice: Choice, steps: Sequence[Step]) -> bool:
    """Whether an unfinished job over what was new or had changed would go on with records as they no longer are."""
    if not _is_moving(choice, steps) or job.status is JobStatus.COMPLETED or job.revision == dataset.revision:
        return False
    return job.status is not JobStatus.RUNNING or job.interrupted


def _seen_stamp(store: Store, dataset: Dataset, choice: Choice, steps: Sequence[Step]) -> int:
    """The newest result that the run can see: its own, which an unfinished one goes on adding, are none."""
    seen = set(result_columns(store, dataset)) - _outputs(steps).keys()
    names = used_columns(steps)
    used = seen if names is None else seen & set(names)
    if choice.where is not None:
        used |= set(Where(choice.where).variables) - set(dataset.columns)
    jobs = [pk for pk in store.results.jobs(dataset.pk) if used.intersection(store.browse.job(pk).columns)]
    return max(map(store.results.last_result_version, jobs), default=0)


def _submit_rest(store: Store, request: RunRequest) -> Submission:
    """A new job over the rows that another left, doing the same unless told otherwise."""
    origin = store.browse.find_job(request.from_job or "")
    if request.input or request.rows:
        raise UsageError("--from takes the rows of a job.", "Leave the input and --rows out.")
    if request.only not in ("failed", "unprocessed"):
        raise UsageError("Which rows of the other job?", "Say failed or unprocessed (--only).")
    if origin.type is not JobType.ENRICHMENT:
        raise UsageError(f"{origin.id} is an {origin.type}.", "--from takes the rows of an enrichment.")
    if origin.status in (JobStatus.PENDING, JobStatus.RUNNING):
        raise UsageError(f"{origin.id} is {origin.status}.", "Pause or cancel it first.")
    doing = request.steps or request.prompt or request.processor or request.url
    steps = _steps(request) if doing else _at_new_price(request, origin.steps)
    dataset = store.datasets.get(origin.dataset)
    output = _output(request, "csv")
    _check_columns(steps, dataset.columns, output, result_columns(store, dataset))
    check_free(output)
    draft = replace(
        _draft(store, request, dataset, [], steps, output, f"{origin.id}:{request.only}", origin.settings),
        name=request.name or origin.name,
        from_job=origin.pk,
        from_status=request.only,
        revision=origin.revision,
        result_version=origin.result_version,
    )
    return Submission(store.browse.job(store.control.submit(draft, store.clock())), found=False)


def _identity(dataset: Dataset, selection: list[tuple[int, int]], steps: Sequence[Step], output: Output | None) -> str:
    """A hash of what makes a run the same run: content, rows, prompt, columns, model or function, output."""
    return _hash([dataset.content_hash, selection, *_sameness(steps, output)])


def _sameness(steps: Sequence[Step], output: Output | None) -> list[Any]:
    return [*(each for step in steps for each in _same_step(step)), output and output.path]


def _same_step(step: Step) -> list[Any]:
    """What a step does and by whom: neither the key nor the runtime's settings."""
    config = {key: value for key, value in step.config.items() if key != "provider_config"}
    given = step.config.get("provider_config") or {}
    config["base_url"] = given.get("base_url")
    if "connection" in given:
        config["connection"] = given["connection"]
    return [step.processor, config, list(step.outputs.items())]


def _hash(whole: list[Any]) -> str:
    return hashlib.sha256(orjson.dumps(whole, option=orjson.OPT_SORT_KEYS)).hexdigest()


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
    if request.price and any(Price(*map(nano, request.price)) != step.price for step in job.steps):
        raise UsageError(f"The price of {job.id} was pinned when it was made.", "Start afresh with --new.")
    if request.budget is not None and not job.priced:
        raise UsageError(
            f"{job.id} was made without a known price, so that a budget cannot be kept.",
            "Start afresh with --new, --budget and --price IN,OUT.",
        )
    if changes := _steering(request):
        store.control.update_settings(job.pk, **changes)
    return store.browse.job(job.pk)


def _at_new_price(request: RunRequest, steps: Sequence[Step]) -> Sequence[Step]:
    """Another job's steps, which keep their price unless one is given."""
    return [replace(step, price=None) for step in steps] if request.price else steps


def _priced(store: Store, request: RunRequest, step: Step, budget: int | None) -> Step:
    """``step`` at its own price, the one given, or today's. Raises ``UsageError`` where ``budget`` cannot be kept."""
    price = step.price or (Price(*map(nano, request.price)) if request.price else price_of(store, step))
    if budget is not None and price is None:
        raise UsageError(
            f"The price of {step.config.get('model', step.name)} is not known, so that a budget cannot be kept.",
            "Give it in dollars per million tokens (--price IN,OUT, or price in the step).",
        )
    return replace(step, price=price)
