import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path

import pytest
from yarl import URL

from rowmill.builtin.storage.web import WebStorage, _redirected
from rowmill.core.errors import InputError, UsageError
from rowmill.plugins.contracts import Guard

TABLE = b"name,price\nKettle,30\n" * 50_000
SECRET = "very-secret-1234"


@dataclass
class Site:
    """Answers each path with status, headers and body; ``requests`` are the paths and headers that came."""

    url: str
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serve()


@pytest.fixture
def other() -> Iterator[Site]:
    yield from serve()


def serve() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            here.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            status, headers, body = here.pages[self.path.partition("?")[0]]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # a client that was stopped
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here = Site(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield here
    server.shutdown()
    thread.join()
    server.server_close()


def ignore(_: object) -> None:
    pass


def fetched(url: str, tell: Callable[[int], None] = ignore) -> bytes:
    file = BytesIO()
    WebStorage().fetch(url, file, tell)
    return file.getvalue()


def refused(url: str) -> InputError:
    with pytest.raises(InputError) as caught:
        fetched(url)
    assert SECRET not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("headers", [{}, {"Content-Length": str(len(TABLE))}])
def test_a_table_is_streamed(site: Site, headers: dict[str, str]) -> None:
    site.pages["/t.csv"] = (200, headers, TABLE)
    told: list[int] = []
    assert fetched(f"{site.url}/t.csv#top", told.append) == TABLE
    assert told == sorted(told)
    assert len(told) > 1
    assert told[-1] == len(TABLE)
    [(_, sent)] = site.requests
    assert sent.get("accept-encoding", "identity") == "identity"


def test_an_empty_file(site: Site) -> None:
    site.pages["/t.csv"] = (200, {"Content-Length": "0"}, b"")
    assert fetched(f"{site.url}/t.csv") == b""


def test_it_can_be_stopped(site: Site) -> None:
    site.pages["/t.csv"] = (200, {}, TABLE)

    def stop(count: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetched(f"{site.url}/t.csv", stop)


def test_a_disk_that_is_full_is_not_the_server_s_fault(site: Site) -> None:
    class Full(BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    site.pages["/t.csv"] = (200, {}, TABLE)
    with pytest.raises(OSError, match="No space"):
        WebStorage().fetch(f"{site.url}/t.csv", Full(), ignore)


def test_a_body_shorter_than_was_promised(site: Site) -> None:
    site.pages["/t.csv"] = (200, {"Content-Length": "100"}, b"a,b\n")
    assert refused(f"{site.url}/t.csv").message == f"{site.url}/t.csv broke off: after 4 of 100 bytes."


def test_chunks_without_an_end(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\na,b\n\r\n"
        thread = threading.Thread(target=answer_once, args=(listener, answer))
        thread.start()
        error = refused(f"http://127.0.0.1:{listener.getsockname()[1]}/t.csv")
        thread.join()
    assert "broke off: the connection was closed before the end." in error.message


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "answered 400 Bad Request."),
        (401, "may not be read (401)."),
        (403, "may not be read (403)."),
        (404, "answered 404 Not Found."),
        (304, "redirects too often or nowhere (304)."),
        (500, "answered 500 Internal Server Error."),
        (599, "answered 599."),
    ],
)
def test_a_status_that_is_no_success(site: Site, status: int, expected: str) -> None:
    site.pages["/t.csv"] = (status, {}, b"")
    error = refused(f"{site.url}/t.csv?key={SECRET}")
    assert error.message == f"{site.url}/t.csv {expected}"
    assert error.hint


def test_a_compressed_body_nobody_asked_for(site: Site) -> None:
    site.pages["/t.csv"] = (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")
    assert "comes compressed" in refused(f"{site.url}/t.csv").message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(site: Site, other: Site, status: int) -> None:
    site.pages["/old"] = (status, {"Location": f"{other.url}/t.csv?a=1"}, b"")
    other.pages["/t.csv"] = (200, {}, TABLE)
    assert fetched(f"{site.url}/old") == TABLE
    assert other.requests[0][0] == "/t.csv?a=1"


@pytest.mark.parametrize(("length", "arrives"), [(5, True), (6, False)])
def test_only_so_many_redirects(site: Site, length: int, arrives: bool) -> None:
    for step in range(length):
        site.pages[f"/{step}"] = (302, {"Location": f"/{step + 1}"}, b"")
    site.pages[f"/{length}"] = (200, {}, b"a\n")
    if arrives:
        assert fetched(f"{site.url}/0") == b"a\n"
    else:
        assert "redirects too often" in refused(f"{site.url}/0").message


def test_a_redirect_loop(site: Site) -> None:
    site.pages["/loop"] = (302, {"Location": "/loop"}, b"")
    assert "redirects too often" in refused(f"{site.url}/loop").message


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://[x", "data:,a"])
def test_a_redirect_out_of_the_web(site: Site, target: str) -> None:
    site.pages["/t.csv"] = (302, {"Location": target}, b"")
    refused(f"{site.url}/t.csv")
    assert len(site.requests) == 1


def test_a_redirect_may_not_leave_encryption() -> None:
    address = URL(f"https://h/t.csv?key={SECRET}")
    with pytest.raises(InputError) as caught:
        _redirected(address, f"http://other/t.csv?key={SECRET}", None)
    assert caught.value.message == "https://h/t.csv redirects to http://other/t.csv, which is not encrypted."
    assert str(_redirected(address, "https://other/t.csv", None)) == "https://other/t.csv"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_guard_keeps_it_from_private_addresses(site: Site, host: str) -> None:
    url = site.url.replace("127.0.0.1", host)
    with pytest.raises(InputError, match="cannot be reached: the address is private"):
        WebStorage().fetch(f"{url}/t.csv", BytesIO(), ignore, Guard(ignore))
    assert site.requests == []


def test_a_guard_is_asked_for_each_redirect(site: Site) -> None:
    site.pages["/old"] = (302, {"Location": "/t.csv"}, b"")
    site.pages["/t.csv"] = (200, {}, TABLE)
    checked: list[str] = []
    WebStorage().fetch(f"{site.url}/old", BytesIO(), ignore, Guard(checked.append, private=True))
    assert checked == [f"{site.url}/t.csv"]


def test_user_and_password_go_to_their_own_host_alone(site: Site, other: Site) -> None:
    site.pages["/t.csv"] = (302, {"Location": f"{other.url}/t.csv"}, b"")
    other.pages["/t.csv"] = (404, {}, b"")
    address = site.url.removeprefix("http://")
    error = refused(f"http://some%40one:{SECRET}@{address}/t.csv?key={SECRET}")
    assert error.message.startswith(f"http://{address}/t.csv ")
    assert site.requests[0][1]["authorization"] == "Basic c29tZUBvbmU6dmVyeS1zZWNyZXQtMTIzNA=="
    assert "authorization" not in other.requests[0][1]


def test_letters_beyond_ascii_and_blanks(site: Site) -> None:
    site.pages["/a%20b/%C3%BC.csv"] = (200, {}, b"a\n")
    assert fetched(f"{site.url}/a b/ü.csv") == b"a\n"


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/t.csv"
    assert refused(url).message == f"{url} cannot be reached: Connection refused."


def test_something_that_speaks_no_http() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer_once, args=(listener, b"SSH-2.0-OpenSSH_9.7\r\n"))
        thread.start()
        error = refused(f"http://127.0.0.1:{listener.getsockname()[1]}/t.csv")
        thread.join()
    assert "cannot be reached" in error.message


@pytest.mark.parametrize("url", ["http://", "https://[x/t.csv", "http://h:99999/", f"http://{'a' * 70}.org/{SECRET}"])
def test_what_is_no_address(url: str) -> None:
    assert refused(url).message == "That is not a web address."


def test_nothing_can_be_written(tmp_path: Path) -> None:
    url = f"https://someone:{SECRET}@example.org/t.csv?key={SECRET}"
    calls: list[Callable[[], object]] = [
        lambda: WebStorage().exists(url),
        lambda: WebStorage().put(tmp_path / "t.csv", url, ignore),
    ]
    for call in calls:
        with pytest.raises(UsageError) as caught:
            call()
        assert caught.value.message == "Nothing can be written to the web address https://example.org/t.csv."
        assert "s3://BUCKET/KEY" in caught.value.hint


def answer_once(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(answer)
