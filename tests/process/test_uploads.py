"""Uploads to the real server: they stream to disk, and a broken one leaves nothing."""

import http.client
import json
import re
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

from tests.support.deadline import DEADLINE

from .harness import Process, Rowmill, wait_until

_BLOCK = b"0123456789abcdef" * 65_536
_BLOCKS = 300
_MOST_GROWTH = 50 << 20


def serve(rowmill: Rowmill) -> tuple[Process, int]:
    """The server, and the port at which it answers."""
    process = rowmill.start("serve", "--port", "0")
    process.wait_for("Rowmill serves")
    found = re.search(r"http://127\.0\.0\.1:(\d+)", process.stderr)
    assert found
    return process, int(found[1])


def peak(process: Process) -> int:
    """Bytes of memory that the process has had at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


def request(port: int, method: str, path: str, body: object = None, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, body, headers)  # type: ignore[arg-type]
    return connection.getresponse()


def blocks() -> Iterator[bytes]:
    return (_BLOCK for _ in range(_BLOCKS))


def formed() -> Iterator[bytes]:
    yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="big.bin"\r\n\r\n'
    yield from blocks()
    yield b"\r\n--x--\r\n"


def left(rowmill: Rowmill) -> list[str]:
    place = rowmill.home / "uploads"
    return [path.name for path in place.iterdir()] if place.is_dir() else []


def test_the_memory_of_the_server_does_not_grow_with_an_upload_or_a_download(rowmill: Rowmill) -> None:
    process, port = serve(rowmill)
    request(port, "POST", "/v1/files?name=small.bin", b"x").read()
    before = peak(process)
    raw = json.load(request(port, "POST", "/v1/files?name=big.bin", blocks()))
    form = json.load(
        request(port, "POST", "/v1/files", formed(), **{"Content-Type": "multipart/form-data; boundary=x"})
    )
    assert raw["size"] == form["size"] == _BLOCKS * len(_BLOCK)
    assert (raw["name"], raw["sha256"]) == (form["name"], form["sha256"])
    response = request(port, "GET", f"/v1/files/{raw['id']}/content")
    received = 0
    while piece := response.read(1 << 20):
        received += len(piece)
    assert received == raw["size"]
    assert peak(process) - before < _MOST_GROWTH


def test_a_server_that_is_killed_in_the_middle_of_an_upload_leaves_nothing(rowmill: Rowmill) -> None:
    process, port = serve(rowmill)
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
        connection.sendall(b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n" + _BLOCK)
        wait_until(lambda: bool(left(rowmill)), "the beginning of the upload")
        process.kill()
    assert left(rowmill) != []
    _, port = serve(rowmill)
    assert left(rowmill) == []
    assert json.load(request(port, "GET", "/v1/files"))["data"] == []


def test_a_second_server_leaves_alone_what_the_first_one_takes_in(rowmill: Rowmill) -> None:
    _, port = serve(rowmill)
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
        head = f"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: {2 * len(_BLOCK)}\r\n\r\n"
        connection.sendall(head.encode() + _BLOCK)
        wait_until(lambda: bool(left(rowmill)), "the beginning of the upload")
        _, other = serve(rowmill)
        connection.sendall(_BLOCK)
        assert connection.recv(12) == b"HTTP/1.1 201"
    assert len(json.load(request(other, "GET", "/v1/files"))["data"]) == 1


def test_a_client_that_stops_reading_holds_up_nobody(rowmill: Rowmill) -> None:
    _, port = serve(rowmill)
    file = json.load(request(port, "POST", "/v1/files?name=big.bin", (_BLOCK for _ in range(40))))
    get = f"GET /v1/files/{file['id']}/content HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    idle = [socket.create_connection(("127.0.0.1", port), DEADLINE) for _ in range(60)]
    try:
        for connection in idle:  # more than the server has threads
            connection.sendall(get)
            assert connection.recv(12) == b"HTTP/1.1 200"
        assert json.load(request(port, "GET", f"/v1/files/{file['id']}")) == file
    finally:
        for connection in idle:
            connection.close()


def test_a_server_that_is_ended_in_the_middle_of_an_upload_leaves_nothing(rowmill: Rowmill) -> None:
    process, port = serve(rowmill)
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
        connection.sendall(b"POST /v1/files HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n" + _BLOCK)
        wait_until(lambda: bool(left(rowmill)), "the beginning of the upload")
        process.signal(signal.SIGTERM)
        assert connection.recv(12) == b"HTTP/1.1 503"
        ended = process.end()
    assert ended.code == 0
    assert left(rowmill) == []
    assert re.search(r"path=/v1/files .*status=503", re.sub(r"\x1b\[\d*m", "", ended.stderr)), ended.stderr
