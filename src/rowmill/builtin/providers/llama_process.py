"""The process in which llama.cpp runs one model: a line of JSON in per call, a line out per answer.

It is a process of its own because llama.cpp holds Python's lock while it loads, and because a crash inside it must
not take a job along. It ends with its standard input, which is to say with whoever started it, however that ended.
Run by its path and importing nothing of Rowmill, it starts quickly.
"""

import json
import os
import secrets
import signal
import sys
from queue import SimpleQueue
from threading import Thread
from typing import Any, TextIO

import xllamacpp  # type: ignore[import-untyped]

_BATCH = 64
"""Prompt tokens between two looks at whether the call is still wanted: under a second on a slow core."""


class Calls:
    """What comes in. Only the latest number is wanted: a line without a body just calls the one before it off."""

    def __init__(self) -> None:
        self.latest = 0
        self.waiting: SimpleQueue[dict[str, Any]] = SimpleQueue()

    def read(self) -> None:
        for line in sys.stdin.buffer:
            call = json.loads(line)
            self.latest = call["number"]
            if "body" in call:
                self.waiting.put(call)
        os._exit(0)  # amid an answer, too: nobody is left to read it


class Reply:
    """One answer as its chunks add up."""

    def __init__(self) -> None:
        self.text = ""
        self.finish = ""
        self.tokens_in = 0
        self.tokens_out = 0
        self.error: dict[str, Any] | None = None

    def add(self, chunk: dict[str, Any]) -> None:
        if usage := chunk.get("usage"):
            self.tokens_in, self.tokens_out = usage["prompt_tokens"], usage["completion_tokens"]
        for choice in chunk.get("choices", ()):
            self.text += choice["delta"].get("content") or ""
            self.finish = choice["finish_reason"] or self.finish
        if "choices" not in chunk:
            self.error = chunk.get("error", chunk)


def main(path: str, threads: str, context: str) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the parent, which decides what is to be saved
        signal.signal(number, signal.SIG_IGN)
    calls = Calls()
    Thread(target=calls.read, daemon=True).start()
    out = _own_stdout()
    server = load(path, int(threads), int(context))
    print('{"number": 0}', file=out, flush=True)
    while True:
        call = calls.waiting.get()
        if call["number"] == calls.latest:
            reply = answer(server, call, calls)
            print(json.dumps({"number": call["number"], **vars(reply)}), file=out, flush=True)


def load(path: str, threads: int, context: int) -> Any:
    """The model, ready to answer. Raises ``RuntimeError`` when llama.cpp cannot load it."""
    params = xllamacpp.CommonParams()
    params.model.path = path
    params.n_ctx = context
    params.n_parallel = 1
    params.n_batch = params.n_ubatch = _BATCH
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.cache_ram_mib = 0
    params.warmup = False
    params.verbosity = -1
    # It also listens on a loopback port, which cannot be turned off: nobody gets in.
    params.api_keys = [secrets.token_urlsafe()]
    params.n_threads_http = 1
    params.ui = params.endpoint_slots = False
    return xllamacpp.Server(params)


def answer(server: Any, call: dict[str, Any], calls: Calls) -> Reply:
    """One chat completion, given up at the next token once it is no longer wanted."""
    reply = Reply()

    def take(chunk: dict[str, Any]) -> bool:
        reply.add(chunk)
        return bool(calls.latest != call["number"])

    streamed = {"stream": True, "stream_options": {"include_usage": True}, "return_progress": True}
    try:
        server.handle_chat_completions({**call["body"], **streamed}, take)
    except (RuntimeError, ValueError) as error:
        reply.error = {"code": 400, "message": str(error)}
    return reply


def _own_stdout() -> TextIO:
    """The pipe to the parent, out of reach of whatever llama.cpp may print."""
    own = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return own


if __name__ == "__main__":
    main(*sys.argv[1:])
