"""Usage and its limits as JSON."""

from typing import Annotated

from pydantic import Field

from rowmill.shapes.base import Input, Output
from rowmill.usage.limits import MOST_DOLLARS, MOST_ROWS

_MONTH = "2026-11"


class LimitsInput(Input):
    """Both limits; null is none."""

    rows_per_month: Annotated[int, Field(ge=0, le=MOST_ROWS)] | None = Field(
        description="Rows that enrichments may work in a calendar month (UTC).", examples=[100_000]
    )
    usd_per_month: Annotated[float, Field(ge=0, le=MOST_DOLLARS, allow_inf_nan=False)] | None = Field(
        description="Dollars that their calls may cost in it, as far as prices are known.", examples=[50.0]
    )


class LimitsOutput(Output):
    """The limits, with what is used and left of them this month."""

    month: str = Field(description="The month in UTC.", examples=[_MONTH])
    rows_per_month: int | None = Field(description="Null: no limit.")
    rows_used: int = Field(description="Rows that attempts have settled; one that is retried counts again.")
    rows_left: int | None
    usd_per_month: float | None = Field(description="Null: no limit.")
    usd_used: float
    usd_left: float | None


class UsageOutput(Output):
    """What was used on one day, of one model or by one job: the field that `by` names says of which."""

    day: str | None = Field(description="In UTC.", examples=[f"{_MONTH}-30"])
    model: str | None = Field(
        description="`provider/model`, or the processor where there is no model.", examples=["openai/gpt-5-mini"]
    )
    job: str | None = Field(description="Its id. Usage outlives the job.")
    rows: int = Field(description="Rows that attempts have settled; one that is retried counts again.")
    attempts: int
    tokens_in: int
    tokens_out: int
    cost_usd: float = Field(description="Of calls whose price is known.")
