"""What requests about limits carry."""

from typing import Annotated

from pydantic import Field

from rowmill.http.inputs import Input
from rowmill.usage.limits import MOST_DOLLARS, MOST_ROWS


class LimitsInput(Input):
    """Both limits; null is none."""

    rows_per_month: Annotated[int, Field(ge=0, le=MOST_ROWS)] | None = Field(
        description="Rows that enrichments may work in a calendar month (UTC).", examples=[100_000]
    )
    usd_per_month: Annotated[float, Field(ge=0, le=MOST_DOLLARS, allow_inf_nan=False)] | None = Field(
        description="Dollars that their calls may cost in it, as far as prices are known.", examples=[50.0]
    )
