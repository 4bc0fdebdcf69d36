"""From what is typed after ``rowmill run`` and ``rowmill import`` to a ``JobSpec``. Nothing here touches the store."""

import csv
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from rowmill.core.columns import parse_columns
from rowmill.core.errors import InputError, UsageError
from rowmill.core.money import Price, nano
from rowmill.core.status import JobType
from rowmill.jobs.spec import (
    TEXT,
    About,
    DatasetOutput,
    FileOutput,
    FileSource,
    HttpStep,
    JobSource,
    JobSpec,
    NamedSource,
    Outputs,
    PromptStep,
    PythonStep,
    Selection,
    SettingsSpec,
    Source,
    StepSpec,
)
from rowmill.tables.schema import parse_fields

DEFAULT_COLUMN = "result"


def run_spec(**options: Any) -> JobSpec:
    """The enrichment that the options of ``rowmill run`` describe, by their names; one may be left out. Raises
    ``UsageError``, and ``InputError`` for an ``@FILE`` that cannot be read."""
    get = options.get
    step = _step(options)
    if step is None and not get("from_job"):
        raise UsageError("There is nothing to do with the rows.", "Give --prompt, --processor or --url.")
    return JobSpec(
        type=JobType.ENRICHMENT,
        source=_source(get("input_"), get("input_format"), get("from_job")),
        steps=(step,) if step else (),
        selection=Selection(get("rows"), get("where"), _keys(get("keys")), get("only")),
        output=FileOutput(get("output"), get("output_format"), bool(get("overwrite"))) if get("output") else None,
        settings=SettingsSpec(
            **{name: get(name) for name in ("concurrency", "max_attempts", "rpm", "tpm")},
            timeout=None if get("timeout") is None else float(options["timeout"]),
            budget=None if get("budget") is None else nano(options["budget"]),
            price=_price(get("price")),
        ),
        about=About(get("name"), new=bool(get("new")), detach=bool(get("detach"))),
    )


def import_spec(input_: str, **options: Any) -> JobSpec:
    """The import that the options of ``rowmill import`` describe, by their names; one may be left out. Raises
    ``UsageError``."""
    get = options.get
    columns, required, key = get("columns", ()), get("required", ()), get("key")
    schema = parse_fields(columns, required, key)
    typed = parse_fields(columns, (), None).names
    untyped = tuple(field.name for field in schema.fields if field.name not in typed)
    return JobSpec(
        type=JobType.IMPORT,
        source=FileSource(input_, get("format_")),
        output=DatasetOutput(get("dataset"), schema, untyped),
        about=About(get("name"), new=bool(get("new")), detach=bool(get("detach"))),
    )


def _source(input_: str | None, input_format: str | None, from_job: str | None) -> Source:
    if from_job:
        if input_:
            raise UsageError("--from takes the rows of a job.", "Leave the input and --rows out.")
        return JobSource(from_job)
    if input_ is None:
        raise UsageError("There is no input.", "Give a file, a dataset, - for stdin, or --from JOB.")
    return NamedSource(input_, input_format)


def _step(options: dict[str, Any]) -> StepSpec | None:
    get = options.get
    outputs: Outputs = {column.name: column.schema for column in parse_columns(get("columns", ()))}
    given = [option for option, value in (("--processor", get("processor")), ("--url", get("url"))) if value]
    if given and (get("prompt") or get("model") or len(given) > 1):
        raise UsageError(f"{given[0]} does without --prompt, --model and others of its kind.", "Choose one of them.")
    if get("connection") and (given or get("base_url") or get("api_key_env")):
        hint = "Leave --base-url, --api-key-env, --processor and --url out."
        raise UsageError("A connection says by itself where a model is and with which key.", hint)
    if get("processor"):
        # The job may be continued from another directory.
        path = (str(Path.cwd()),)
        return PythonStep(function=options["processor"], path=path, outputs=outputs or {DEFAULT_COLUMN: {}})
    if get("url"):
        return HttpStep(
            url=options["url"],
            method=get("method"),
            headers=dict(_pair(text, ":", "--header 'NAME: VALUE'") for text in get("headers", ())),
            body=_text(get("body"), "--body"),
            results=dict(_pair(text, "=", "--path COLUMN=$.a.b") for text in get("paths", ())),
            allow_private=bool(get("allow_private")),
            outputs=outputs or {DEFAULT_COLUMN: {}},
        )
    prompt = _text(get("prompt"), "--prompt")
    if not prompt:
        return None
    return PromptStep(
        prompt=prompt,
        system=_text(get("system"), "--system"),
        model=get("model") or None,
        connection=get("connection") or None,
        base_url=get("base_url"),
        api_key_env=get("api_key_env"),
        settings=dict(_setting(text) for text in get("settings", ())),
        outputs=outputs or {DEFAULT_COLUMN: TEXT},
    )


def _keys(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    if text.startswith("@"):
        keys = tuple(key for key in (_text(text, "--keys") or "").splitlines() if key)
    else:
        keys = tuple(key.strip() for key in next(csv.reader([text], skipinitialspace=True), []) if key.strip())
    if not keys:
        raise UsageError("--keys names no key.", "Write --keys A1,A2 or --keys @FILE with one a line.")
    return keys


def _pair(text: str, between: str, example: str) -> tuple[str, str]:
    name, found, value = (part.strip() for part in text.partition(between))
    if not name or not found:
        raise UsageError(f"{text!r} is no pair of a name and a value.", f"Write {example}.")
    return name, value


def _text(text: str | None, option: str) -> str | None:
    """The option's text, or that of the file behind ``@``."""
    if text is None or not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InputError(f"{option} {text} cannot be read: {reason}.", "Check the path.") from error


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"The setting {text!r} is not NAME=VALUE.", "Write for example temperature=0.")
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


def _price(text: str | None) -> Price | None:
    if text is None:
        return None
    try:
        price_in, price_out = (Decimal(part.strip()) for part in text.split(","))
    except (ValueError, ArithmeticError):
        price_in = price_out = Decimal(-1)
    if not (price_in.is_finite() and price_out.is_finite() and price_in >= 0 and price_out >= 0):
        raise UsageError(f"The price {text!r} is not IN,OUT.", "Give dollars per million tokens: --price 0.15,0.60")
    return Price(nano(price_in), nano(price_out))
