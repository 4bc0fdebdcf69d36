"""From what the API accepts to a ``JobSpec``. Nothing here touches the store."""

import os
from decimal import Decimal
from pathlib import Path

from rowmill.api.inputs import (
    EnrichmentInput,
    ExportInput,
    HttpStep,
    ImportInput,
    PluginStep,
    PromptStep,
    PythonStep,
    StepInput,
)
from rowmill.core.errors import UsageError
from rowmill.core.money import Price, nano
from rowmill.core.status import JobType
from rowmill.jobs import spec
from rowmill.jobs.spec import About, JobSpec, Selection, Source
from rowmill.tables.schema import Field, declared_schema

_INPUTS = ("dataset", "file", "rows", "from_job")


def job_spec(asked: EnrichmentInput | ImportInput | ExportInput, job_id: str | None = None) -> JobSpec:
    """The job that is asked for. Raises ``UsageError`` where that contradicts itself."""
    about = About(asked.name, dict(asked.metadata), job_id, new=True, detach=True, held=not asked.start)
    match asked:
        case EnrichmentInput():
            return enrichment_spec(asked, _enrichment_source(asked), about)
        case ImportInput():
            fields = tuple(Field(each.name, each.type, each.required, tuple(each.values)) for each in asked.fields)
            output = spec.DatasetOutput(asked.dataset, declared_schema(fields, asked.key))
            return JobSpec(type=JobType.IMPORT, source=_import_source(asked), output=output, about=about)
        case ExportInput():
            return _export_spec(asked, about)


def enrichment_spec(asked: EnrichmentInput, source: Source, about: About) -> JobSpec:
    """What is asked for, over the rows of ``source``."""
    settings = spec.SettingsSpec(
        asked.concurrency,
        asked.max_attempts,
        asked.timeout,
        asked.rpm,
        asked.tpm,
        None if asked.budget_usd is None else _nano(asked.budget_usd),
    )
    return JobSpec(
        type=JobType.ENRICHMENT,
        source=source,
        steps=tuple(map(_step, asked.steps)),
        selection=Selection(asked.select, asked.where, tuple(asked.keys or ()), asked.only),
        settings=settings,
        about=about,
    )


def _enrichment_source(asked: EnrichmentInput) -> Source:
    _the_one_of(asked, *_INPUTS, error="A job has one input.")
    if not asked.steps and asked.from_job is None:
        raise UsageError("There is nothing to do with the rows.", "Give at least one step.")
    if asked.dataset is not None:
        return spec.DatasetSource(asked.dataset)
    if asked.file is not None:
        return spec.UploadSource(asked.file)
    if asked.rows is not None:
        return spec.RowsSource(asked.rows)
    return spec.JobSource(asked.from_job or "")


def _import_source(asked: ImportInput) -> Source:
    given = _the_one_of(asked, "file", "url", "path", error="An import is made from one thing.")
    if asked.file:
        return spec.UploadSource(given, asked.format)
    return spec.FileSource(given if asked.path is None else _path(given), asked.format, asked.path)


def _export_spec(asked: ExportInput, about: About) -> JobSpec:
    given = _the_one_of(asked, "dataset", "job", error="An export is made from one thing.")
    if asked.url is not None and asked.path is not None:
        raise UsageError("An export has one destination.", "Give url or path, or neither for a download.")
    return JobSpec(
        type=JobType.EXPORT,
        source=spec.JobSource(given) if asked.dataset is None else spec.DatasetSource(given),
        selection=Selection(asked.select, asked.where, only=asked.only),
        output=spec.FileOutput(
            asked.url if asked.path is None else _path(asked.path),
            asked.format,
            asked.overwrite,
            tuple((each.column, each.name or each.column) for each in asked.columns),
            asked.safe_cells,
        ),
        about=about,
    )


def _the_one_of(asked: EnrichmentInput | ImportInput | ExportInput, *names: str, error: str) -> str:
    """The value of the one field that is given. Raises ``UsageError`` unless it is one."""
    given = [str(getattr(asked, name)) for name in names if getattr(asked, name) is not None]
    if len(given) != 1:
        raise UsageError(error, f"Give one of {', '.join(names)}.")
    return given[0]


def _path(text: str) -> str:
    """The absolute path, so that no path is taken for a URL or for standard output."""
    return str(Path(text).absolute())


def _step(asked: StepInput) -> spec.StepSpec:
    match asked:
        case PromptStep():
            price = asked.price

            return spec.PromptStep(
                prompt=asked.prompt,
                system=asked.system,
                model=asked.model or os.environ.get("ROWMILL_MODEL") or None,
                connection=asked.connection,
                settings=asked.settings,
                price=None if price is None else Price(_nano(price.input), _nano(price.output)),
                outputs=asked.output,
                name=asked.name or "prompt",
            )
        case HttpStep():
            return spec.HttpStep(
                url=asked.url,
                method=asked.method,
                headers=asked.headers,
                body=asked.body,
                results=asked.results,
                allow_private=asked.allow_private,
                outputs=asked.output,
                name=asked.name or "http",
            )
        case PythonStep():
            return spec.PythonStep(function=asked.function, outputs=asked.output, name=asked.name or "python")
        case PluginStep():
            name = asked.name or asked.processor
            return spec.PluginStep(processor=asked.processor, config=asked.config, outputs=asked.output, name=name)


def _nano(dollars: float) -> int:
    return nano(Decimal(str(dollars)))
