"""Clients that never come to the point, over real sockets."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from rowmill.api.app import create_app
from rowmill.api.live.hub import Hub
from rowmill.api.protocol import Protocol
from rowmill.http.context import Context
from tests.support.deadline import DEADLINE
from tests.support.serving import served

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


class Hasty(Protocol):
    head_seconds = 0.2


@pytest.fixture
def raw(context: Context, hub: Hub) -> Iterator[socket.socket]:
    with served(create_app(context, hub), http=Hasty) as url:
        parts = urlsplit(url)
        with socket.create_connection((parts.hostname, parts.port), DEADLINE) as connection:
            yield connection


def answer(connection: socket.socket) -> bytes:
    told = b""
    while b'{"status":"ok"}' not in told:
        piece = connection.recv(1 << 16)
        assert piece, told
        told += piece
    return told


@pytest.mark.parametrize("begun", [b"", b"G", HEALTH])
def test_a_client_that_stalls_within_a_head_is_dropped(raw: socket.socket, begun: bytes) -> None:
    raw.sendall(begun)
    assert raw.recv(100) == b""


def test_so_is_one_that_stalls_within_its_second_request(raw: socket.socket) -> None:
    raw.settimeout(3)  # less than what uvicorn gives who is idle
    raw.sendall(HEALTH + b"\r\n")
    answer(raw)
    raw.sendall(HEALTH)
    assert raw.recv(100) == b""


def test_so_is_one_whose_request_was_answered_before_its_end(raw: socket.socket) -> None:
    raw.settimeout(3)
    raw.sendall(HEALTH + b"Content-Length: 100\r\n\r\n")
    answer(raw)
    raw.sendall(b"x")
    assert raw.recv(100) == b""


def test_one_that_takes_its_time_between_requests_is_not(raw: socket.socket) -> None:
    for _ in range(3):
        raw.sendall(HEALTH + b"\r\n")
        assert answer(raw).startswith(b"HTTP/1.1 200 ")
        raw.settimeout(0.4)
        with pytest.raises(TimeoutError):
            raw.recv(1)
        raw.settimeout(DEADLINE)
