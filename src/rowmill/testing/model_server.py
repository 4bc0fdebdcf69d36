"""The chat server as a process: ``python -m rowmill.testing.model_server --latency 0.2 --fail-every 10``.

It prints its base URL as the first line. ``GET /counts`` tells what it was asked, ``POST /reset`` forgets it.
"""

import argparse
import asyncio
from contextlib import suppress

from rowmill.testing.chat_server import Fault, ModelServer, Reply


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m rowmill.testing.model_server", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--answer", help="the content of every answer")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--key", help="the one API key accepted")
    parser.add_argument("--fail-every", type=int, metavar="N", help="every Nth request gets --status and --header")
    parser.add_argument("--status", type=int, default=500)
    parser.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'")
    parser.add_argument("--hang-every", type=int, metavar="N")
    parser.add_argument("--drop-every", type=int, metavar="N")
    parser.add_argument("--garbage-every", type=int, metavar="N")
    return parser.parse_args()


def _faults(arguments: argparse.Namespace) -> list[Fault]:
    headers = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in arguments.header)}
    chosen = [
        (arguments.fail_every, Reply(status=arguments.status, headers=headers)),
        (arguments.hang_every, Reply(hang=True)),
        (arguments.drop_every, Reply(drop=True)),
        (arguments.garbage_every, Reply(body=b"<html>no JSON</html>")),
    ]
    return [Fault(every, reply) for every, reply in chosen if every]


async def _serve(arguments: argparse.Namespace) -> None:
    server = ModelServer(
        arguments.answer,
        faults=_faults(arguments),
        latency=arguments.latency,
        key=arguments.key,
        port=arguments.port,
        keep_requests=False,
    )
    listening = await server.start(asyncio.get_running_loop())
    print(server.url, flush=True)  # the first line is what a parent process waits for
    await listening.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(_arguments()))
