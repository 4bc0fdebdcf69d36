"""What all models of requests share."""

import json
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator

Json = dict[str, Any]

Name = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*[^\x00-\x1f\s][^\x00-\x1f]*$"
    ),
]
"""What people call a thing."""


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
