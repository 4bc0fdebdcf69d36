"""What requests about tokens carry."""

from pydantic import Field

from rowmill.core.access import Access
from rowmill.http.inputs import Input, Name


class TokenInput(Input):
    name: Name = Field(description="What it is for.", examples=["nightly import"])
    scope: Access = Field(strict=False, description="`read` sees, `run` also works, `admin` also manages the server.")
