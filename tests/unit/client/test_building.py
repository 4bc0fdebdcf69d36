from datetime import UTC, datetime

import pytest

from rowmill.client.building import build
from rowmill.client.errors import ApiError
from rowmill.core.access import Access
from rowmill.shapes.connections import ConnectionTest
from rowmill.shapes.rows import Attempt, AttemptUsage, Row, RowError
from rowmill.shapes.tokens import Token

TOKEN = {"id": "tok_1", "name": "x", "scope": "read", "created_at": "2026-02-01T03:04:05.678Z", "used_at": None}


def test_moments_and_enums_are_read() -> None:
    created_at = datetime(2026, 2, 1, 3, 4, 5, 678_000, UTC)
    assert build(Token, TOKEN) == Token("tok_1", "x", Access.READ, created_at, None)


def test_fields_and_enum_values_of_a_newer_server_are_passed_over() -> None:
    token = build(Token, {**TOKEN, "scope": "odd", "colour": "red"})
    assert token.scope == "odd"
    assert not hasattr(token, "colour")


def test_shapes_within_shapes_are_built() -> None:
    attempt = {
        "step": 0, "attempt": 1, "started_at": "2026-02-01T03:04:05.678Z", "duration_seconds": 0.5,
        "outcome": "failed", "error": {"code": "timeout", "message": None}, "tokens_in": 1, "tokens_out": 2,
        "usage": {
            "tokens_in": 1, "tokens_out": 2, "cached": 1, "cache_write": 0, "reasoning": 2, "service_tier": "flex",
            "estimated": False,
        },
        "cost_usd": None,
    }  # fmt: skip
    row = {"number": 1, "record": 1, "status": "failed", "values": {"a": "b"}, "output": None, "error": None}
    built = build(Row, {**row, "attempts": [attempt]})
    assert isinstance(built.attempts[0], Attempt)
    assert built.attempts[0].error == RowError("timeout", None)
    assert built.attempts[0].usage == AttemptUsage(1, 2, 1, 0, 2, "flex", estimated=False)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(ApiError, match="'outcome'"):
        build(ConnectionTest, {"message": "x"})
