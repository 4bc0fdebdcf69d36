"""A fake chat model, as fast as Python allows: ``python -m benchmarks.model_server --latency 0.2``.

It answers everything that is posted to it with one canned completion, and prints its base URL as its first line.
``GET /counts`` tells what it was asked and what that cost it. ``rowmill.testing.model_server`` is the one that checks
and misbehaves; this one only must never be what a benchmark waits for.
"""

import argparse
import asyncio
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import orjson
import uvloop

_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


def _response(payload: object) -> bytes:
    body = orjson.dumps(payload)
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


_COMPLETION = _response(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "fake",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": '{"sentiment":"positive"}'},
                "finish_reason": "stop",
            }
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25},
    }
)


@dataclass(slots=True)
class Model:
    """What all connections share: how long an answer takes (seconds), and what has been asked so far."""

    latency: float
    requests: int = 0
    bytes: int = 0


class Connection(asyncio.Protocol):
    def __init__(self, model: Model) -> None:
        self._model = model
        self._loop = asyncio.get_running_loop()
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        while (head := data.find(b"\r\n\r\n") + 4) > 3:
            length = _LENGTH.search(data, 0, head)
            end = head + int(length[1]) if length else head
            if len(data) < end:
                break
            if data.startswith(b"GET "):
                self._tell()
            else:
                self._answer(end - head)
            data = data[end:]
        self._rest = data

    def _answer(self, length: int) -> None:
        self._model.requests += 1
        self._model.bytes += length
        if self._model.latency:
            self._loop.call_later(self._model.latency, self._send, _COMPLETION)
        else:
            self._transport.write(_COMPLETION)

    def _tell(self) -> None:
        counts = {"requests": self._model.requests, "bytes": self._model.bytes, "cpu": time.process_time()}
        self._transport.write(_response(counts))

    def _send(self, response: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(response)


async def _serve(latency: float, port: int) -> None:
    model = Model(latency)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(model), "127.0.0.1", port, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model_server")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    arguments = parser.parse_args()
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve(arguments.latency, arguments.port))
