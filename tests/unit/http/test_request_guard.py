"""Requests that stall, and those that are refused before their end, over real sockets."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

import pytest

from rowmill.api.app import create_app
from rowmill.api.live.hub import Hub
from rowmill.http.context import Context
from rowmill.http.request_guard import RequestLimits
from tests.support.deadline import DEADLINE
from tests.support.serving import Api, served

MEGABYTE = 1 << 20
JSON = "Host: localhost\r\nContent-Type: application/json"


@pytest.fixture
def raw(api: Api) -> Iterator[socket.socket]:
    parts = urlsplit(api.url)
    with socket.create_connection((parts.hostname, parts.port), DEADLINE) as connection:
        yield connection


def said(connection: socket.socket) -> bytes:
    """All until the server closes the connection."""
    return b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.mark.parametrize("limits", [RequestLimits(body_timeout=0.05)])
def test_a_client_that_stalls_within_a_body_is_given_up(raw: socket.socket) -> None:
    raw.sendall(f'POST /v1/jobs HTTP/1.1\r\n{JSON}\r\nContent-Length: 100\r\n\r\n{{"type"'.encode())
    head, _, body = said(raw).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 422 ")
    problem = json.loads(body)
    assert (problem["code"], problem["detail"]) == ("invalid_request", "Nothing came for 0.05 seconds.")


@pytest.mark.parametrize("limits", [RequestLimits(body_timeout=1.0)])
def test_a_client_that_is_slow_but_goes_on_is_waited_for(raw: socket.socket) -> None:
    body = b'{"name": "slow"}'
    raw.sendall(f"POST /v1/datasets HTTP/1.1\r\n{JSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
    began = time.monotonic()
    for byte in body:
        time.sleep(0.08)  # it is the time that counts
        raw.sendall(bytes([byte]))
    assert time.monotonic() - began > 1
    assert raw.recv(12) == b"HTTP/1.1 201"


@pytest.mark.parametrize(
    ("method", "path", "size", "limit"),
    [
        ("POST", "/v1/jobs", 30 * MEGABYTE, "10 MiB"),
        ("POST", "/v1/jobs", 10 * MEGABYTE + 1, "10 MiB"),
        ("POST", "/v1/datasets", 20 * MEGABYTE, "1 MiB"),
        ("POST", "/v1/files", 20 * MEGABYTE, "--max-upload"),
    ],
)
@pytest.mark.parametrize("kind", ["declared", "chunked"])
def test_who_sends_too_much_and_reads_only_then_is_told_so(
    api: Api, context: Context, method: str, path: str, size: int, limit: str, kind: str
) -> None:
    context.policy = replace(context.policy, max_upload=20 * MEGABYTE - 1)
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=DEADLINE)
    body = b" " * size if kind == "declared" else iter([b" " * MEGABYTE] * (size // MEGABYTE) + [b"xx"])
    connection.request(method, path, body, {"Content-Type": "application/json", "Connection": "close"})
    answer = connection.getresponse()
    problem = json.loads(answer.read())
    assert (answer.status, problem["code"]) == (413, "too_large")
    assert limit in problem["hint"]
    connection.close()


def test_who_is_refused_at_the_door_and_reads_only_then_is_told_so(api: Api) -> None:
    connection = http.client.HTTPConnection(urlsplit(api.url).netloc, timeout=DEADLINE)
    headers = {"Origin": "https://evil.example", "Connection": "close"}
    connection.request("POST", "/v1/files", b" " * (30 * MEGABYTE), headers)
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (403, "origin_refused")
    connection.close()


def test_the_answer_does_not_wait_for_the_rest(raw: socket.socket) -> None:
    raw.sendall(f"POST /v1/datasets HTTP/1.1\r\n{JSON}\r\nContent-Length: {2 * MEGABYTE}\r\n\r\nx".encode())
    raw.settimeout(5)
    told = b""
    while b"POST /v1/files" not in told:
        piece = raw.recv(1 << 16)
        assert piece, told
        told += piece


def test_who_asks_before_sending_is_not_waited_for(raw: socket.socket) -> None:
    head = f"POST /v1/datasets HTTP/1.1\r\n{JSON}\r\nConnection: close\r\nExpect: 100-continue"
    raw.sendall(f"{head}\r\nContent-Length: {2 * MEGABYTE}\r\n\r\n".encode())
    raw.settimeout(5)
    assert said(raw).startswith(b"HTTP/1.1 413 ")


ENDLESS = f"POST /v1/datasets HTTP/1.1\r\n{JSON}\r\nConnection: close\r\nContent-Length: 1000000000\r\n\r\n".encode()


@pytest.mark.parametrize("limits", [RequestLimits(drain_timeout=0.05)])
def test_a_rest_that_never_comes_is_waited_for_within_bounds(raw: socket.socket) -> None:
    raw.settimeout(5)
    raw.sendall(ENDLESS)
    assert said(raw).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("limits", [RequestLimits(drain_bytes=MEGABYTE)])
def test_a_rest_that_never_ends_is_read_within_bounds(raw: socket.socket) -> None:
    raw.sendall(ENDLESS)
    sent = 0
    with suppress(ConnectionError):
        while sent < 200:
            raw.sendall(b" " * MEGABYTE)
            sent += 1
    assert 1 <= sent < 200


def test_the_process_answers_though_every_thread_hangs(context: Context, hub: Hub) -> None:
    app = create_app(context, hub)
    release = threading.Event()

    @app.get("/hang")
    def hang() -> None:
        release.wait(DEADLINE)

    threads = 50
    with served(app) as url:
        netloc = urlsplit(url).netloc
        hanging = [http.client.HTTPConnection(netloc, timeout=DEADLINE) for _ in range(threads)]
        try:
            for connection in hanging:
                connection.request("GET", "/hang")
            asking = http.client.HTTPConnection(netloc, timeout=5)
            asking.request("GET", "/healthz")
            assert asking.getresponse().status == 200
        finally:
            release.set()
            for connection in hanging:
                connection.getresponse().read()
                connection.close()
