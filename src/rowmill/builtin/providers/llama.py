"""llama.cpp with one model, seen from the event loop."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROGRAM = Path(__file__).with_name("llama_process.py")
_LONGEST_LINE = 1 << 26

_BRIEF_SPINNING = {"GOMP_SPINCOUNT": "1000"}
"""Threads that wait for each other spin at first. As long as OpenMP likes, two of them on two cores that others use as
well got five times less done than so; on idle cores it makes no difference."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What one call brought. ``finish`` is ``stop`` or ``length``; ``error`` is llama.cpp's own refusal."""

    text: str = ""
    finish: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    error: dict[str, Any] | None = None


class LlamaDied(Exception):
    """llama.cpp ended by itself: it crashed, ran out of memory, or could not load the model."""


class Llama:
    """One model in a process of its own, one call at a time."""

    def __init__(self, path: Path, threads: int, context: int) -> None:
        self._arguments = (str(path), str(threads), str(context))
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._number = 0

    async def load(self) -> None:
        """Starts the process and waits until it has loaded the model. Raises ``LlamaDied`` when it cannot."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # the modules beside the program are no top-level ones
            str(_PROGRAM),
            *self._arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            limit=_LONGEST_LINE,
            env={**_BRIEF_SPINNING, **os.environ},
        )
        await self._receive(self._process, 0)

    async def chat(self, body: dict[str, Any]) -> Reply:
        """Answers one chat completion. Cancelled, it stops the model at its next token. Raises ``LlamaDied``; the
        next call then starts afresh."""
        async with self._turn:
            if self._process is None:
                raise LlamaDied
            if self._process.returncode is not None:
                await self.load()
            self._number += 1
            try:
                self._send(self._process, body=body)
                return await self._receive(self._process, self._number)
            except asyncio.CancelledError:
                self._number += 1
                self._send(self._process)
                raise

    async def close(self) -> None:
        """Ends the process, whatever it is doing; a call under way raises ``LlamaDied``."""
        process, self._process = self._process, None
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    def _send(self, process: Process, **content: Any) -> None:
        assert process.stdin is not None
        process.stdin.write(json.dumps({"number": self._number, **content}).encode() + b"\n")

    async def _receive(self, process: Process, number: int) -> Reply:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            reply = json.loads(line)
            if reply.pop("number") == number:
                return Reply(**reply)
        await process.wait()
        raise LlamaDied
