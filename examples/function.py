"""Functions for ``rowmill run --processor function:NAME``: each gets a row as a dict."""

import asyncio
from typing import Any

from rowmill import Failed


def measure(row: dict[str, Any]) -> dict[str, Any] | Failed:
    """Two columns, or a failure with a code of our own."""
    if not row["review"]:
        return Failed("no_review", "The review is empty.")
    return {"words": len(row["review"].split()), "exclaims": "!" in row["review"]}


async def shorten(row: dict[str, Any]) -> str:
    """One column: its value alone will do. An async function waits without a thread."""
    await asyncio.sleep(0)
    text: str = row["review"]
    return text if len(text) <= 20 else f"{text[:20]}…"
