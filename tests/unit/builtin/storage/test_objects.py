import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import boto3  # type: ignore[import-untyped]
import pytest
from moto.server import ThreadedMotoServer

from rowmill.builtin.storage.objects import ObjectStorage
from rowmill.core.errors import InputError, UsageError
from tests.support.deadline import DEADLINE

BIG = 20_000_000


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_", "GOOGLE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "someone")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret-1234")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    boto3.client("s3").create_bucket(Bucket="tables")
    return "tables"


@pytest.mark.parametrize("size", [0, 1000, BIG])
def test_what_is_put_is_fetched_again(size: int, tmp_path: Path) -> None:
    content = os.urandom(size)
    path = tmp_path / "out.csv"
    path.write_bytes(content)
    url = f"s3://tables/round/{size}.csv"
    sent: list[int] = []
    come: list[int] = []
    assert not ObjectStorage().exists(url)
    ObjectStorage().put(path, url, sent.append)
    assert ObjectStorage().exists(url)
    file = BytesIO()
    ObjectStorage().fetch(url, file, come.append)
    assert file.getvalue() == content
    assert sent == sorted(sent)
    assert sent[-1] == size
    assert come == sorted(come)
    assert come[-1:] == ([size] if size else [])
    assert len(come) > 1 or size < BIG


@pytest.mark.parametrize("key", ["a b/ü.csv", "x%20y.csv", "a?b#c.csv", "{{x}}+&.csv"])
def test_a_key_is_taken_to_the_letter(key: str, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(b"a\n1\n")
    ObjectStorage().put(path, f"s3://tables/keys/{key}", ignore)
    listed = boto3.client("s3").list_objects_v2(Bucket="tables", Prefix="keys/")["Contents"]
    assert f"keys/{key}" in [entry["Key"] for entry in listed]
    assert fetched(f"s3://tables/keys/{key}") == b"a\n1\n"


def test_an_upload_that_is_stopped_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(bytes(BIG))

    def stop(sent: int) -> None:
        if sent > BIG / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ObjectStorage().put(path, "s3://tables/stopped.csv", stop)
    assert not ObjectStorage().exists("s3://tables/stopped.csv")
    assert not boto3.client("s3").list_multipart_uploads(Bucket="tables").get("Uploads")


def test_a_download_can_be_stopped(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(bytes(BIG))
    ObjectStorage().put(path, "s3://tables/long.csv", ignore)

    def stop(received: int) -> None:
        raise KeyboardInterrupt(received)

    with pytest.raises(KeyboardInterrupt):
        ObjectStorage().fetch("s3://tables/long.csv", BytesIO(), stop)


def test_a_missing_object() -> None:
    error = refused(lambda: fetched("s3://tables/none.csv"))
    assert isinstance(error, InputError)
    assert error.message == "There is no s3://tables/none.csv."
    assert not ObjectStorage().exists("s3://tables/none.csv")


@pytest.mark.parametrize("size", [10, BIG])
def test_a_missing_bucket(size: int, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_bytes(bytes(size))
    expected = "There is no bucket 'no-such-bucket' for s3://no-such-bucket/a.csv."
    assert refused(lambda: fetched("s3://no-such-bucket/a.csv")).message == expected
    assert refused(lambda: ObjectStorage().put(path, "s3://no-such-bucket/a.csv", ignore)).message == expected


def test_an_endpoint_where_nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    started = time.monotonic()
    for call in (fetched, ObjectStorage().exists):
        error = refused(lambda call=call: call("s3://tables/a.csv"))  # type: ignore[misc]
        assert error.message == f"s3://tables/a.csv cannot be reached: {address} does not answer."
    assert time.monotonic() - started < DEADLINE


def test_an_endpoint_without_tls_has_to_be_allowed(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    error = refused(lambda: fetched("s3://tables/a.csv"))
    assert error.message == f"s3://tables/a.csv is at {endpoint}, which is not encrypted."
    assert "AWS_ALLOW_HTTP=true" in error.hint


@pytest.mark.parametrize("value", ["nonsense", "ftp://127.0.0.1", "http://", "http://[x"])
def test_an_endpoint_that_is_no_address(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", value)
    assert (
        refused(lambda: fetched("s3://tables/a.csv")).message
        == "The endpoint in AWS_ENDPOINT_URL is not an HTTP address."
    )


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("AccessDenied", 403, "The credentials do not give access to s3://tables/a.csv (AccessDenied)."),
        (
            "SignatureDoesNotMatch",
            403,
            "The credentials do not give access to s3://tables/a.csv (SignatureDoesNotMatch).",
        ),
        ("InvalidRequest", 400, "s3://tables/a.csv failed: "),
    ],
)
def test_what_a_server_refuses(code: str, status: int, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
    head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
    with answering(head + body, monkeypatch):
        error = refused(lambda: fetched("s3://tables/a.csv"))
    assert error.message.startswith(expected)
    assert "very-secret" not in str(error)
    assert "\n" not in error.message
    assert error.hint


def test_a_download_that_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(found(b"a,b\n", length=1000), monkeypatch):
        error = refused(lambda: fetched("s3://tables/a.csv"))
    assert isinstance(error, InputError)
    assert error.message.startswith("s3://tables/a.csv ")


@pytest.mark.parametrize(
    "url", ["s3://tables", "s3://tables/", "s3://tables/a//b", "s3://tables/../b", "s3:///a", "s3:a"]
)
def test_an_address_that_names_no_object(url: str) -> None:
    assert refused(lambda: fetched(url)).message == f"{url!r} is no address in an object store."


@pytest.mark.parametrize(
    ("url", "variables", "asked_for"),
    [
        ("s3://tables/a.csv", {"AWS_ACCESS_KEY_ID": "someone"}, "AWS_SECRET_ACCESS_KEY"),
        ("gs://tables/a.csv", {"GOOGLE_SERVICE_ACCOUNT_KEY": "{}"}, "GOOGLE_SERVICE_ACCOUNT"),
        ("az://tables/a.csv", {}, "AZURE_STORAGE_ACCOUNT_NAME"),
        (
            "az://tables/a.csv",
            {"AZURE_STORAGE_ACCOUNT_NAME": "a", "AZURE_STORAGE_ACCOUNT_KEY": "?"},
            "AZURE_STORAGE_ACC",
        ),
    ],
)
def test_unusable_credentials(
    url: str, variables: dict[str, str], asked_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    error = refused(lambda: fetched(url))
    assert error.message == f"There are no usable credentials for {url}."
    assert asked_for in error.hint


def test_credentials_with_a_line_break(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret\n")
    error = refused(lambda: fetched("s3://tables/a.csv"))
    assert error.message.startswith("AWS_SECRET_ACCESS_KEY holds")
    assert "very-secret" not in str(error)


@pytest.mark.parametrize("scheme", ["gs", "az"])
def test_the_other_stores_are_reached_at_their_buckets(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "someone")
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "a2V5")
    monkeypatch.setenv("AZURE_ALLOW_HTTP", "true")
    monkeypatch.setenv("GOOGLE_ALLOW_HTTP", "true")
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    with answering(found(b"a\n1\n"), monkeypatch) as requests:
        assert fetched(f"{scheme}://tables/dir/a b.csv") == b"a\n1\n"
    assert unquote(requests[0].split()[1].decode()) == "/tables/dir/a b.csv"


def found(body: bytes, length: int | None = None) -> bytes:
    return (
        b'HTTP/1.1 200 OK\r\nETag: "x"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nConnection: close\r\n'
        + f"Content-Length: {length or len(body)}\r\n\r\n".encode()
        + body
    )


def ignore(count: int) -> None:
    pass


def fetched(url: str) -> bytes:
    file = BytesIO()
    ObjectStorage().fetch(url, file, ignore)
    return file.getvalue()


def refused(call: Callable[[], object]) -> UsageError:
    with pytest.raises(UsageError) as caught:
        call()
    return caught.value


class answering:  # noqa: N801 - reads as a clause
    """A server that answers everyone with the same bytes and hangs up, as the endpoint."""

    def __init__(self, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._requests: list[bytes] = []
        address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        for name in ("AWS_ENDPOINT_URL", "AZURE_STORAGE_ENDPOINT", "GOOGLE_BASE_URL"):
            monkeypatch.setenv(name, address)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> list[bytes]:
        self._thread.start()
        return self._requests

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._requests.append(connection.recv(65536))
                connection.sendall(self._answer)
