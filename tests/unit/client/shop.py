"""Functions that jobs of these tests call."""

import threading
from typing import Any

GATE = threading.Event()
"""Rows named ``wait`` are held until it is set."""


def mood(row: dict[str, Any]) -> str:
    if row["text"] == "fail":
        raise ValueError("no mood at all")
    return "good" if "good" in row["text"] else "bad"


def held(row: dict[str, Any]) -> str:
    if row["text"] == "wait":
        GATE.wait(30)
    return mood(row)
