"""Ids, and values as they stand in the database."""

import secrets
from typing import Any

import orjson


def new_id(prefix: str) -> str:
    """A random name, unique for all practical purposes and safe to type."""
    alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
    return f"{prefix}_" + "".join(secrets.choice(alphabet) for _ in range(12))


def dump(value: Any) -> str:
    return orjson.dumps(value).decode()


def dump_or_none(value: Any) -> str | None:
    return None if value is None else dump(value)


def load_or_none(text: str | None) -> Any:
    return None if text is None else orjson.loads(text)


def placeholders(count: int) -> str:
    return ", ".join("?" * count)
