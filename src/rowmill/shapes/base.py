"""What all models share."""

import json
from typing import Annotated, Any, Generic, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

T = TypeVar("T")

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*[^\x00-\x1f\s][^\x00-\x1f]*$"
    ),
]
"""What people call a thing."""

Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-02-01T03:04:05.678Z"])]
"""RFC 3339, in UTC."""

Json = dict[str, Any]


def _storable(given: Json) -> Json:
    """What is read as JSON may be more than the store can keep."""
    try:
        orjson.dumps(given)  # which refuses numbers beyond 64 bits, halves of characters, and very deep nesting
        json.dumps(given, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot be stored: {error}") from None
    return given


JsonInput = Annotated[Json, AfterValidator(_storable)]
"""An object as somebody sends it."""


class Input(BaseModel):
    """Taken from outside: what is not known is refused, and a number is not taken for a text."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _whole(cls, given: Any) -> Any:
        """JSON has one kind of number: 5.0 is the integer 5."""
        if not isinstance(given, dict):
            return given
        return {
            name: int(value) if isinstance(value, float) and value.is_integer() else value
            for name, value in given.items()
        }


class Output(BaseModel):
    """Given out."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Page(Output, Generic[T]):
    """A page of a list. Ask for the next one with its cursor, unchanged, until there is none."""

    data: list[T]
    has_more: bool
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end.")
