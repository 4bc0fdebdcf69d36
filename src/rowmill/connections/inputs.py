"""What requests about connections carry."""

from typing import Annotated

from pydantic import Field

from rowmill.connections.service import MOST
from rowmill.http.inputs import Input
from rowmill.plugins.registry import names

BaseUrl = Annotated[
    str,
    Field(
        max_length=2000,
        pattern=r"^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?([/?][!-~]*)?$",
        description="An OpenAI-compatible endpoint, up to and with /v1; without user name and password. The provider's "
        "own where there is none.",
        examples=["https://models.example.com/v1"],
    ),
]
Key = Annotated[
    str,
    Field(
        min_length=1,
        max_length=10_000,
        pattern=r"^[!-~]([ -~]*[!-~])?$",
        description="Kept encrypted, and never shown again.",
        json_schema_extra={"writeOnly": True, "format": "password"},
    ),
]
Bound = Annotated[int, Field(ge=1, le=MOST)]


class _Reached(Input):
    base_url: BaseUrl | None = None
    key: Key | None = None
    rpm: Bound | None = Field(None, description="Calls a minute of all jobs that use it, together.")
    tpm: Bound | None = Field(None, description="Tokens a minute, likewise.")


class ConnectionInput(_Reached):
    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="By which jobs call it.", examples=["acme"]
    )
    provider: str = Field(
        "openai",
        max_length=200,
        description="One that is installed.",
        json_schema_extra={"enum": [*names("providers")]},
    )


class ConnectionChange(_Reached):
    """What is not given stays; null takes it away. A new `base_url` needs its `key` with it, where there is one."""


class ConnectionTrial(Input):
    model: str | None = Field(
        None, min_length=1, max_length=500, description="Asked for one token: many providers tell only then of credit."
    )
