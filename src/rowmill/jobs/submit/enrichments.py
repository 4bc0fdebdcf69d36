"""Resolves an enrichment: over a file, which is first read into the store, a dataset, or what another job left."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rowmill.core.errors import NotFound, NothingToDo, UsageError
from rowmill.core.job import Job, JobDraft, Output, Settings, Step
from rowmill.core.ranges import parse_ranges
from rowmill.core.status import JobStatus, JobType
from rowmill.engine.inputs import result_columns, used_columns
from rowmill.jobs.deliver import check_output
from rowmill.jobs.spec import DatasetSource, FileOutput, JobSource, JobSpec, NamedSource
from rowmill.jobs.submit.choice import choose
from rowmill.jobs.submit.intake import Reading, open_file, put_back, take_in
from rowmill.jobs.submit.pricing import pinned
from rowmill.jobs.submit.resolved import Resolved
from rowmill.jobs.submit.steps import build_steps
from rowmill.jobs.submit.validate import check_columns, check_selection
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Dataset
from rowmill.tables.source import check_name
from rowmill.tables.where import Where


@dataclass(kw_only=True)
class Enrichment(Resolved):
    steps: Sequence[Step]
    dataset: Dataset
    ranges: list[tuple[int, int]] | None = None
    """The rows of a file."""

    origin: Job | None = None
    """The job whose rows are taken."""

    def draft(self, store: Store) -> JobDraft:
        base = self.origin.settings if self.origin else Settings()
        settings = Settings(**(asdict(base) | self.spec.settings.given))
        at = self.origin or self.dataset
        return JobDraft(
            type=JobType.ENRICHMENT,
            name=self.spec.about.name or at.name,
            dataset=self.dataset.pk,
            selection=[] if self.origin else self.ranges or _choose(store, self),
            steps=[pinned(store, step, self.spec.settings.price, settings.budget) for step in self.steps],
            settings=settings,
            identity=self.identity,
            output=self.output,
            from_job=self.origin.pk if self.origin else None,
            from_status=self.spec.selection.only if self.origin else None,
            revision=at.revision,
            result_version=at.result_version,
            metadata=self.spec.about.metadata,
            id=self.spec.about.id,
            detached=self.spec.about.detach,
            held=self.spec.about.held,
        )

    def is_outdated(self, known: Job) -> bool:
        if not self.repeats or known.status is JobStatus.COMPLETED or known.revision == self.dataset.revision:
            return False
        return known.status is not JobStatus.RUNNING or known.interrupted

    def steer(self, store: Store, known: Job) -> Job:
        settings = self.spec.settings
        if settings.price and any(step.price != settings.price for step in known.steps):
            raise UsageError(f"The price of {known.id} was pinned when it was made.", "Start afresh with --new.")
        if settings.budget is not None and not known.priced:
            raise UsageError(
                f"{known.id} was made without a known price, so that a budget cannot be kept.",
                "Start afresh with --new, --budget and --price IN,OUT.",
            )
        if settings.given:
            store.control.update(known.pk, settings.given)
        return store.browse.job(known.pk)


@contextmanager
def resolve_enrichment(store: Store, engine: str, spec: JobSpec, progress: Reading) -> Iterator[Enrichment]:
    """Raises ``UsageError`` and ``InputError``; nothing is left behind then."""
    steps = build_steps(store, spec)
    dataset = _dataset(store, spec)
    check_selection(spec, over_file=dataset is None)
    if isinstance(spec.source, JobSource):
        yield _over_what_is_left(store, spec, steps)
    elif dataset:
        yield _over_dataset(store, spec, steps, dataset)
    else:
        with open_file(store, spec.source) as source:
            output = _output(spec, source.format)
            check = partial(check_columns, steps, output=output)
            dataset = take_in(store, engine, source, check, progress)
        job = None
        try:
            rows = spec.selection.rows
            ranges = parse_ranges(rows, dataset.rows) if rows is not None else [(1, dataset.rows)]
            sameness = [dataset.content_hash, ranges, *_same_steps(steps), output and output.path]
            job = Enrichment(
                spec=spec, output=output, sameness=sameness, new=spec.about.new, repeats=False, steps=steps,
                dataset=dataset, ranges=ranges,
            )  # fmt: skip
            yield job
        finally:
            if not (job and job.stored):
                put_back(store, dataset.pk)


def _dataset(store: Store, spec: JobSpec) -> Dataset | None:
    """The dataset that the source means, ``None`` if it means another thing. Raises ``UsageError`` if a name could
    mean both a dataset and a file."""
    match spec.source:
        case DatasetSource(name):
            dataset = store.datasets.named(name)
            if dataset is None:
                raise NotFound(f"There is no dataset {name!r}.", "List the others with `rowmill datasets`.")
            return dataset
        case NamedSource(name):
            check_name(name)
            dataset = store.datasets.named(name)
            if dataset and Path(name).is_file():
                raise UsageError(f"Both a dataset and a file are called {name}.", f"Write {dataset.id} or ./{name}.")
            return dataset
        case _:
            return None


def _output(spec: JobSpec, default_format: str) -> Output | None:
    if not isinstance(spec.output, FileOutput) or spec.output.path is None:
        return None
    return check_output(spec.output.path, spec.output.format, default_format, overwrite=spec.output.overwrite)


def _over_what_is_left(store: Store, spec: JobSpec, steps: Sequence[Step]) -> Enrichment:
    """A new job over the rows that another left, which does the same unless the spec has steps of its own."""
    assert isinstance(spec.source, JobSource)
    origin = store.browse.find_job(spec.source.name)
    if origin.type is not JobType.ENRICHMENT:
        raise UsageError(f"{origin.id} is an {origin.type}.", "--from takes the rows of an enrichment.")
    if origin.status in (JobStatus.PENDING, JobStatus.RUNNING):
        raise UsageError(f"{origin.id} is {origin.status}.", "Pause or cancel it first.")
    # The steps of the other job keep their price unless one is given.
    copied = [replace(step, price=None) if spec.settings.price else step for step in origin.steps]
    dataset = store.datasets.get(origin.dataset)
    output = _output(spec, "csv")
    check_columns(steps or copied, dataset.columns, result_columns(store, dataset), output=output)
    sameness = [origin.id, spec.selection.only]
    return Enrichment(
        spec=spec, output=output, sameness=sameness, new=True, repeats=True, steps=steps or copied,
        dataset=dataset, origin=origin,
    )  # fmt: skip


def _over_dataset(store: Store, spec: JobSpec, steps: Sequence[Step], dataset: Dataset) -> Enrichment:
    """A job over records of a lasting dataset. It is the same as one that has not ended; if everything is selected,
    also as one that has."""
    output = _output(spec, "csv")
    outputs = {name for step in steps for name in step.outputs}
    results = result_columns(store, dataset)
    if clash := next((name for name in outputs if name in dataset.columns), None):
        raise UsageError(f"{dataset.name} has a column {clash!r} itself.", "Give the output column another name.")
    check_columns(steps, dataset.columns, [name for name in results if name not in outputs], output=output)
    selection = replace(spec.selection, only=spec.selection.only or "all")
    where = Where(selection.where).variables if selection.where is not None else ()
    # A selection that depends on what the steps themselves have found is another question every day.
    repeats = selection.only != "all" or not outputs.isdisjoint(where)
    moment = None if repeats else [dataset.revision, _seen_version(store, dataset, steps, where)]
    sameness = [dataset.id, moment, asdict(selection), *_same_steps(steps), output and output.path]
    return Enrichment(
        spec=spec, output=output, sameness=sameness, new=spec.about.new, repeats=repeats, steps=steps, dataset=dataset
    )


def _seen_version(store: Store, dataset: Dataset, steps: Sequence[Step], where: Sequence[str]) -> int:
    """The newest result that the run can see. Its own do not count: an unfinished run goes on adding them."""
    seen = set(result_columns(store, dataset)) - {name for step in steps for name in step.outputs}
    names = used_columns(steps)
    used = seen if names is None else seen & set(names)
    used |= set(where) - set(dataset.columns)
    jobs = [pk for pk in store.results.jobs(dataset.pk) if used.intersection(store.browse.job(pk).columns)]
    return max(map(store.results.last_result_version, jobs), default=0)


def _choose(store: Store, job: Enrichment) -> Any:
    """Raises ``NothingToDo`` where no record is new or has changed."""
    dataset, only = job.dataset, job.spec.selection.only or "all"
    chosen = choose(store, dataset, job.spec.selection, job.steps)
    if chosen:
        return chosen
    if dataset.rows == 0:
        raise UsageError(f"The dataset {dataset.name} is empty: no import into it has ended.", "Let one end first.")
    if only == "all":
        raise UsageError(f"{dataset.name} has no such record.", "Choose others by --rows, --where or --keys.")
    raise NothingToDo(f"No record of {dataset.name} is new{' or has changed' if only == 'changed' else ''}.")


def _same_steps(steps: Sequence[Step]) -> list[Any]:
    """What the steps do and with which model or function: neither the key nor the runtime's settings."""
    same = []
    for step in steps:
        config = {name: value for name, value in step.config.items() if name != "provider_config"}
        access = step.config.get("provider_config") or {}
        config["access"] = [access.get("base_url"), access.get("connection")]
        same.append([step.processor, config, list(step.outputs.items())])
    return same
