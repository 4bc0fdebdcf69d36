"""What the service sends beside its answers is told as it is: events, webhooks, metrics, the log."""

import ast
import re
import time
from dataclasses import fields
from pathlib import Path
from typing import get_args

from rowmill.api.live.hub import EVERY, HEARTBEAT
from rowmill.shapes.events import DeletedJob, StreamEvent
from rowmill.shapes.jobs import JobSummary
from rowmill.webhooks.delivery import EVENT_TYPES, LONGEST_WAIT, SCHEDULE
from rowmill.webhooks.sender import TIMEOUT
from rowmill.webhooks.service import OLD_SECRET_SECONDS
from rowmill.webhooks.signature import headers, new_secret
from rowmill.worker.maintenance import ANSWERS_KEPT_FOR, EVENTS_KEPT_FOR

from .pages import DOCS, REFERENCE, ROOT, blocks, codes, first_cells, section

SOURCES = ROOT / "src" / "rowmill"
_SECONDS = {"s": 1, "min": 60, "h": 3600}


def test_every_event_of_a_stream_is_told() -> None:
    assert codes(first_cells(section(REFERENCE / "events.md", "Types"))) == set(get_args(StreamEvent))


def test_what_is_known_of_a_deleted_job_is_told() -> None:
    known = f"`{{{', '.join(field.name for field in fields(DeletedJob))}}}`"
    assert known in section(REFERENCE / "events.md", "Types").replace("\n", " ")


def test_every_event_of_a_webhook_is_told() -> None:
    assert codes(first_cells(section(REFERENCE / "webhooks.md", "Events"))) == set(EVENT_TYPES)


def test_every_field_of_a_webhook_is_told() -> None:
    told = codes(first_cells(section(REFERENCE / "webhooks.md", "The request")))
    assert told == {*(field.name for field in fields(JobSummary)), "deleted", *headers("msg_1", 0.0, b"", [])}


def test_the_schedule_of_tries_is_told() -> None:
    waits = re.findall(r"(\d+) (s|min|h) \|", section(REFERENCE / "webhooks.md", "Tries"))
    assert tuple(float(number) * _SECONDS[unit] for number, unit in waits) == SCHEDULE
    assert f"{len(SCHEDULE) + 1} tries" in section(REFERENCE / "webhooks.md", "Tries")


def test_how_long_events_and_deliveries_are_kept_is_told() -> None:
    days = f"{EVENTS_KEPT_FOR / 86_400:g} days"
    assert all(days in (REFERENCE / page).read_text(encoding="utf-8") for page in ("events.md", "webhooks.md"))


def test_the_numbers_of_event_streams_are_told() -> None:
    page = " ".join((REFERENCE / "events.md").read_text(encoding="utf-8").split())
    assert f"Every {HEARTBEAT:g} seconds a comment" in page
    assert 1 / EVERY == 4
    assert page.count("four times a second") == 2


def test_the_numbers_of_webhooks_are_told() -> None:
    page = (REFERENCE / "webhooks.md").read_text(encoding="utf-8")
    assert f"within {TIMEOUT:g} seconds" in page
    assert "for a day after `rotate`" in page
    assert OLD_SECRET_SECONDS == LONGEST_WAIT == 86_400


def test_how_long_answers_to_a_key_are_kept_is_told() -> None:
    assert f"within {ANSWERS_KEPT_FOR / 3600:g} hours" in (REFERENCE / "api.md").read_text(encoding="utf-8")


def test_the_verification_takes_what_we_sign_and_nothing_else() -> None:
    code = next(block.text for block in blocks(REFERENCE / "webhooks.md") if block.language == "python")
    known: dict[str, object] = {}
    exec(code, known)
    verified = known["verified"]
    assert callable(verified)
    secret, other, now = new_secret(), new_secret(), time.time()
    signed = headers("msg_1", now, b'{"type":"job.completed"}', [secret, other])
    body = b'{"type":"job.completed"}'
    assert verified(secret, signed, body)
    assert verified(other, signed, body)
    assert not verified(new_secret(), signed, body)
    assert not verified(secret, signed, body + b" ")
    assert not verified(secret, {**signed, "webhook-id": "msg_2"}, body)
    assert not verified(secret, headers("msg_1", now - 600, body, [secret]), body)


def test_the_how_to_verifies_in_the_same_way() -> None:
    told = next(block.text for block in blocks(REFERENCE / "webhooks.md") if block.language == "python")
    assert told == next(block.text for block in blocks(DOCS / "how-to" / "webhooks.md") if block.file == "verify.py")


def test_every_event_of_the_log_is_told() -> None:
    text = section(REFERENCE / "metrics.md", "The log")
    told = codes(first_cells(text.partition("| event | level | meaning |")[2]))
    assert told == {event for path in _of_the_server() for event in _logged(path)}


def test_every_field_of_the_log_is_told() -> None:
    text = section(REFERENCE / "metrics.md", "The log")
    told = codes(first_cells(text.partition("| event | level | meaning |")[0]))
    assert {field for path in _of_the_server() for field in _fields_logged(path)} - told == set()
    assert {"timestamp", "level", "event", "logger"} <= told


def _of_the_server() -> list[Path]:
    return [
        path
        for layer in (
            "api",
            "connections",
            "db",
            "engine",
            "files",
            "http",
            "jobs",
            "ledger",
            "tokens",
            "usage",
            "webhooks",
            "worker",
        )
        for path in (SOURCES / layer).rglob("*.py")
    ]


def _logged(path: Path) -> list[str]:
    """The events that a module logs; what stands for a value is told as ``…``."""
    texts = [each for call in _logging(path) for each in call.args[:2] if isinstance(each, ast.Constant)]
    return [re.sub(r"%s.*", "…", str(text.value)) for text in texts]


def _fields_logged(path: Path) -> list[str]:
    """The fields that stand in the very calls."""
    given = [keyword.value for call in _logging(path) for keyword in call.keywords if keyword.arg == "extra"]
    keys = [key for each in given for node in ast.walk(each) if isinstance(node, ast.Dict) for key in node.keys]
    return [str(key.value) for key in keys if isinstance(key, ast.Constant)]


def _logging(path: Path) -> list[ast.Call]:
    logs = re.compile(r"_log\.(debug|info|warning|error|exception|log)")
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [call for call in calls if logs.fullmatch(ast.unparse(call.func))]
