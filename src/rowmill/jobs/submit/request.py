"""What a job is asked for: what all types share, and what ``rowmill run`` takes."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rowmill.core.job import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """What a job of any type may be asked for. It is another job only with ``new``."""

    name: str | None = None
    new: bool = False
    detach: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    id: str | None = None
    held: bool = False

    @property
    def handed_on(self) -> dict[str, Any]:
        """What the draft of the job takes over as it is."""
        return {"metadata": self.metadata, "id": self.id, "detached": self.detach, "held": self.held}


@dataclass(frozen=True, slots=True)
class RunRequest(JobRequest):
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
    """Its name; ``model`` then names its provider, too (``rowmill.connections.service.qualified``)."""

    processor: str | None = None
    processor_path: tuple[str, ...] = ()
    model_settings: dict[str, Any] = field(default_factory=dict)
    output: str | None = None
    output_format: str | None = None
    input_format: str | None = None
    overwrite: bool = False
    rows: str | None = None
    where: str | None = None
    keys: tuple[str, ...] = ()
    url: str | None = None
    method: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    paths: tuple[tuple[str, str], ...] = ()
    allow_private: bool = False
    concurrency: int | None = None
    max_attempts: int | None = None
    timeout: float | None = None
    rpm: int | None = None
    tpm: int | None = None
    budget: Decimal | None = None
    price: tuple[Decimal, Decimal] | None = None
