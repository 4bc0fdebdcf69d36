import asyncio
from typing import cast

from hypothesis import given
from hypothesis import strategies as st

from rowmill.testing.http_protocol import HttpProtocol, HttpRequest, HttpResponse


class Transport:
    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


@given(st.lists(st.binary(max_size=30), max_size=4), st.integers(1, 40))
def test_requests_are_found_however_the_bytes_arrive(bodies: list[bytes], size: int) -> None:
    seen: list[HttpRequest] = []

    def handle(request: HttpRequest, connection: HttpProtocol) -> None:
        seen.append(request)
        connection.send(HttpResponse(200, request.body))

    protocol = HttpProtocol(handle, set(), lambda: None)
    transport = Transport()
    protocol.connection_made(cast("asyncio.Transport", transport))
    stream = b"".join(b"POST /p HTTP/1.1\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body) for body in bodies)
    for start in range(0, len(stream), size):
        protocol.data_received(stream[start : start + size])
    assert [(request.method, request.path, request.body) for request in seen] == [("POST", "/p", b) for b in bodies]
    assert transport.written.count(b"HTTP/1.1 200 OK\r\n") == len(bodies)


def test_a_status_nobody_has_named_is_sent_all_the_same() -> None:
    protocol = HttpProtocol(lambda _, connection: connection.send(HttpResponse(529, b"")), set(), lambda: None)
    transport = Transport()
    protocol.connection_made(cast("asyncio.Transport", transport))
    protocol.data_received(b"GET / HTTP/1.1\r\n\r\n")
    assert transport.written.startswith(b"HTTP/1.1 529 Unknown\r\n")
