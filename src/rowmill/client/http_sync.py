"""Over HTTP, blocking: urllib3."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import BinaryIO

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Timeout

from rowmill.client.address import CONNECT_WITHIN, Address
from rowmill.client.errors import Unreachable
from rowmill.client.exchange import Request, Response, Upload
from rowmill.client.transport import Sync

_CHUNK = 1 << 16


@dataclass(slots=True)
class _Stream:
    response: urllib3.BaseHTTPResponse
    chunks: Iterator[bytes]
    ended: bool = False


class SyncHttp(Sync):
    """May be used by several threads at once."""

    def __init__(self, address: Address) -> None:
        self._address = address
        proxy = address.proxy
        self._pool = urllib3.ProxyManager(proxy, maxsize=10) if proxy else urllib3.PoolManager(maxsize=10)

    def open(self, request: Request) -> Response:
        try:
            with ExitStack() as opened:
                response = self._sent(request, opened)
        except (HTTPError, OSError) as error:
            raise Unreachable(*self._address.out_of_reach(error)) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Response(response.status, headers, _Stream(response, response.stream(_CHUNK)))

    def _sent(self, request: Request, opened: ExitStack) -> urllib3.BaseHTTPResponse:
        headers = self._address.headers(request)
        body: bytes | BinaryIO | None
        if isinstance(request.body, Upload):
            body = opened.enter_context(request.body.open())
            if request.body.size is not None:
                headers["Content-Length"] = str(request.body.size)
        else:
            body = request.body
        return self._pool.request(
            request.method,
            self._address.url + request.target,
            body=body,
            headers=headers,
            timeout=Timeout(connect=CONNECT_WITHIN, read=request.silence),
            retries=False,
            redirect=False,
            preload_content=False,
        )

    def read(self, answer: Response) -> bytes:
        stream: _Stream = answer.stream
        try:
            part = next(filter(None, stream.chunks), b"")
        except (HTTPError, OSError) as error:
            raise Unreachable(*self._address.out_of_reach(error)) from error
        stream.ended = not part
        return part

    def close_answer(self, answer: Response) -> None:
        stream: _Stream = answer.stream
        if not stream.ended:  # the rest of it would be taken for the next answer
            stream.response.close()
        stream.response.release_conn()

    def close(self) -> None:
        self._pool.clear()
