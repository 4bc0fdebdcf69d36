"""Values that JSON does not know, as ones that it does: nothing is rounded or dropped on the way."""

import math

_DAY = 86_400 * 10**9


def plain_float(value: float) -> float | str:
    """The number itself, or the name of what is none: ``NaN``, ``Infinity``, ``-Infinity``."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def iso_duration(nanoseconds: int) -> str:
    """ISO 8601, as ``P1DT2H3M4.5S``; a negative one has its sign in front."""
    sign = "-" if nanoseconds < 0 else ""
    days, rest = divmod(abs(nanoseconds), _DAY)
    seconds, fraction = divmod(rest, 10**9)
    hours, minutes, seconds = seconds // 3600, seconds // 60 % 60, seconds % 60
    exact_seconds = short_fraction(f"{seconds}.{fraction:09d}")
    parts = ((hours, f"{hours}H"), (minutes, f"{minutes}M"), (seconds or fraction, f"{exact_seconds}S"))
    time = "".join(text for amount, text in parts if amount)
    date = f"{days}D" if days else ""
    return f"{sign}P{date}T{time}" if time else f"{sign}P{date or 'T0S'}"


def short_fraction(text: str) -> str:
    """A time or number without the zeros at the end of its fraction."""
    return text.rstrip("0").removesuffix(".") if "." in text else text
