"""Servers that tables are fetched from and put to."""

import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3  # type: ignore[import-untyped]


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answer = Callable[[Asked], tuple[int, bytes]]


@dataclass
class WebServer:
    """Answers by a function of what is asked, which is kept in ``asked``."""

    url: str
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def web_server(answer: Answer) -> Iterator[WebServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked = Asked(self.command, self.path, dict(self.headers.items()), body)
            served.asked.append(asked)
            status, content = answer(asked)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the base class calls it so

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = WebServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def file_server(files: Mapping[str, bytes]) -> Answer:
    """Serves ``files`` by their names, and nothing else."""

    def answer(asked: Asked) -> tuple[int, bytes]:
        name = asked.path.partition("?")[0].removeprefix("/")
        return (200, files[name]) if name in files else (404, b"")

    return answer


@dataclass(frozen=True, slots=True)
class ObjectServer:
    """An S3 server with one bucket, ``tables``. ``env`` is what a program needs to reach it."""

    url: str

    @property
    def env(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "a-secret-of-someone",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ALLOW_HTTP": "true",
        }

    def put(self, key: str, content: bytes) -> None:
        self.client().put_object(Bucket="tables", Key=key, Body=content)

    def get(self, key: str) -> bytes:
        content: bytes = self.client().get_object(Bucket="tables", Key=key)["Body"].read()
        return content

    def client(self) -> Any:
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=self.env["AWS_REGION"],
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def object_server() -> Iterator[ObjectServer]:
    """A server as a process of its own."""
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        found = next(found for line in process.stderr if (found := re.search(r"Running on (http://\S+)", line)))
        threading.Thread(target=process.stderr.read, daemon=True).start()  # or it would wait for us one day
        server = ObjectServer(found[1])
        server.client().create_bucket(Bucket="tables")
        yield server
    finally:
        process.kill()
        process.wait()
