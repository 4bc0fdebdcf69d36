"""The floor: what a skilled engineer writes by hand, in an hour, for one job alone.

asyncio, aiohttp and SQLite (WAL, ``synchronous=FULL``) with group commit: every result is on the disk before its worker
takes the next row, and one transaction holds whatever has gathered meanwhile. Rowmill is measured against it, so it
does the same calls and knows nothing of Rowmill::

    python -m benchmarks.floor reviews.csv results.db --base-url http://127.0.0.1:8000/v1 --concurrency 50

It cannot be paused or resumed and retries nothing; after a crash nobody knows which calls may have been made already.
"""

import argparse
import asyncio
import csv
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import aiohttp
import orjson
import uvloop

LABELS = ("positive", "negative")
RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "answer",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"sentiment": {"type": "string", "enum": LABELS}},
            "required": ["sentiment"],
            "additionalProperties": False,
        },
    },
}

Result = tuple[int, str, str | None, str | None, int, int, float, float]

TABLE = """
CREATE TABLE results (row INTEGER PRIMARY KEY, status TEXT NOT NULL, sentiment TEXT, error TEXT,
                      tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL, started_at REAL, duration REAL)
"""


class Results:
    """Saves results in groups: what comes in while one transaction is written goes into the next."""

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(TABLE)
        self._thread = ThreadPoolExecutor(1)
        self._gathered: list[Result] = []
        self._saved = asyncio.get_running_loop().create_future()
        self._wake = asyncio.Event()

    async def save(self, result: Result) -> None:
        """Returns when ``result`` is on the disk."""
        self._gathered.append(result)
        self._wake.set()
        await self._saved

    async def commit_forever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            results, self._gathered = self._gathered, []
            saved, self._saved = self._saved, loop.create_future()
            await loop.run_in_executor(self._thread, self._write, results)
            saved.set_result(None)

    def _write(self, results: list[Result]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?)", results)
        self._connection.execute("COMMIT")

    def count(self) -> int:
        found: int = self._connection.execute("SELECT count(*) FROM results WHERE status = 'succeeded'").fetchone()[0]
        return found

    def close(self) -> None:
        self._connection.close()


async def classify(session: aiohttp.ClientSession, url: str, number: int, review: str) -> Result:
    started_at, began = time.time(), time.perf_counter()
    body = {
        "model": "fake",
        "messages": [{"role": "user", "content": f"Is this review positive or negative? {review}"}],
        "response_format": RESPONSE_FORMAT,
    }
    try:
        async with session.post(url, data=orjson.dumps(body)) as response:
            response.raise_for_status()
            payload = orjson.loads(await response.read())
        sentiment = orjson.loads(payload["choices"][0]["message"]["content"])["sentiment"]
        if sentiment not in LABELS:
            raise ValueError(f"{sentiment!r} is no label")
        usage = payload["usage"]
    except (aiohttp.ClientError, TimeoutError, LookupError, ValueError) as error:
        return number, "failed", None, repr(error), 0, 0, started_at, time.perf_counter() - began
    duration = time.perf_counter() - began
    tokens_in, tokens_out = usage["prompt_tokens"], usage["completion_tokens"]
    return number, "succeeded", sentiment, None, tokens_in, tokens_out, started_at, duration


async def work(
    rows: Iterator[tuple[int, dict[str, str]]], session: aiohttp.ClientSession, url: str, to: Results
) -> None:
    for number, row in rows:
        await to.save(await classify(session, url, number, row["review"]))


async def main(arguments: argparse.Namespace) -> None:
    results = Results(arguments.database)
    committing = asyncio.create_task(results.commit_forever())
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=60),
        headers={"Content-Type": "application/json"},
    )
    url = f"{arguments.base_url}/chat/completions"
    with open(arguments.input, encoding="utf-8", newline="") as file:
        async with session:
            rows = enumerate(csv.DictReader(file), 1)
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                committing = group.create_task(results.commit_forever())
                workers = [group.create_task(work(rows, session, url, results)) for _ in range(arguments.concurrency)]
                await asyncio.wait(workers)
                seconds = time.perf_counter() - began
                committing.cancel()
    print(orjson.dumps({"succeeded": results.count(), "seconds": seconds}).decode())
    results.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor")
    parser.add_argument("input", help="a CSV file with a column 'review'")
    parser.add_argument("database", help="a new SQLite file for the results")
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--uvloop", action="store_true", help="on uvloop instead of asyncio's own loop")
    chosen = parser.parse_args()
    (uvloop.run if chosen.uvloop else asyncio.run)(main(chosen))
