"""What ``rowmill run`` is asked for."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


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
