"""Tokens."""

from pydantic import Field

from rowmill.core.access import Access
from rowmill.shapes.base import Input, Moment, Name, Output


class TokenInput(Input):
    name: Name = Field(description="What it is for.", examples=["nightly import"])
    scope: Access = Field(strict=False, description="`read` sees, `run` also works, `admin` also manages the server.")


class TokenOutput(Output):
    """Who may use the API, without what must be sent."""

    id: str = Field(examples=["tok_4m1x2y3z5a6b"])
    name: str
    scope: Access
    created_at: Moment
    used_at: Moment | None = Field(description="When it was last used, give or take a minute; null if never.")


class TokenWithSecret(TokenOutput):
    """A new token."""

    token: str = Field(
        description="Send it as `Authorization: Bearer TOKEN`. It is never shown again.",
        examples=["rm_C2FVsBQIhrscChlQIMV-b5sSYspob7oDC9EVtgNxTEg"],
    )
