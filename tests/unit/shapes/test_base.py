import subprocess
import sys
from datetime import UTC, datetime

import orjson
import pytest

from rowmill.core.access import Access
from rowmill.shapes.base import Page, to_json
from rowmill.shapes.tokens import Token

MOMENT = datetime(2026, 2, 1, 3, 4, 5, 678_900, UTC)


def test_a_shape_is_written_with_enums_as_text_and_times_in_utc_with_milliseconds() -> None:
    page = Page([Token("tok_1", "x", Access.READ, MOMENT, None)], has_more=False, next_cursor=None)
    assert orjson.loads(to_json(page)) == {
        "data": [
            {
                "id": "tok_1",
                "name": "x",
                "scope": "read",
                "created_at": "2026-02-01T03:04:05.678Z",
                "used_at": None,
            }
        ],
        "has_more": False,
        "next_cursor": None,
    }


def test_the_last_page_says_so() -> None:
    assert to_json(Page([], has_more=False, next_cursor=None)) == b'{"data":[],"has_more":false,"next_cursor":null}'


def test_what_is_not_json_is_refused() -> None:
    with pytest.raises(TypeError):
        to_json(object())


def test_shapes_need_no_pydantic() -> None:
    modules = "base connections datasets events files jobs problems rows tokens usage webhooks workers"
    imports = "; ".join(f"import rowmill.shapes.{name}" for name in modules.split())
    code = f"import sys; {imports}; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
