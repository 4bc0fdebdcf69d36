"""What ``rowmill run`` is asked for."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rowmill.model.job import Step


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What ``rowmill run`` is asked for, word by word. ``price`` is dollars per million tokens (in, out)."""

    input: str | None = None
    input_name: str | None = None
    """What messages call the input, where that is not its path."""

    steps: tuple[Step, ...] = ()
    """What to do, where it is not said by the options that describe one step."""

    from_job: str | None = None
    only: str | None = None
    prompt: str | None = None
    system: str | None = None
    columns: tuple[str, ...] = ()
    outputs: dict[str, dict[str, Any]] | None = None
    """The output columns as JSON Schema, instead of ``columns``."""

    model: str | None = None
    base_url: str | None = None
    api_key_env: str | None = None
    connection: str | None = None
    """Its name; ``model`` then names its provider, too (``rowmill.service.connections.qualified``)."""

    processor: str | None = None
    processor_path: tuple[str, ...] = ()
    model_settings: dict[str, Any] = field(default_factory=dict)
    output: str | None = None
    output_format: str | None = None
    input_format: str | None = None
    overwrite: bool = False
    new: bool = False
    rows: str | None = None
    where: str | None = None
    keys: tuple[str, ...] = ()
    url: str | None = None
    method: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    paths: tuple[tuple[str, str], ...] = ()
    allow_private: bool = False
    name: str | None = None
    concurrency: int | None = None
    max_attempts: int | None = None
    timeout: float | None = None
    rpm: int | None = None
    tpm: int | None = None
    budget: Decimal | None = None
    price: tuple[Decimal, Decimal] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    held: bool = False
    detach: bool = False
