"""Over HTTP, in an event loop: aiohttp."""

from collections.abc import AsyncIterator
from contextlib import ExitStack

import aiohttp
from yarl import URL

from rowmill.client.address import CONNECT_WITHIN, Address
from rowmill.client.errors import ClientError, Unreachable
from rowmill.client.exchange import Request, Response, Upload
from rowmill.client.transport import Async, chunks


class AsyncHttp(Async):
    """Belongs to the event loop in which it was first used."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._proxy = address.proxy
        self._session: aiohttp.ClientSession | None = None

    async def open(self, request: Request) -> Response:
        try:
            with ExitStack() as opened:
                response = await self._sent(request, opened)
        except (aiohttp.ClientError, OSError) as error:  # a timeout is an OSError
            raise Unreachable(*self._address.out_of_reach(error)) from error
        return Response(response.status, {name.lower(): value for name, value in response.headers.items()}, response)

    async def _sent(self, request: Request, opened: ExitStack) -> aiohttp.ClientResponse:
        headers = self._address.headers(request)
        body: bytes | AsyncIterator[bytes] | None
        if isinstance(request.body, Upload):
            body = chunks(opened.enter_context(request.body.open()))
            if request.body.size is not None:
                headers["Content-Length"] = str(request.body.size)
        else:
            body = request.body
        return await self._opened().request(
            request.method,
            URL(self._address.url + request.target, encoded=True),
            data=body,
            headers=headers,
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_WITHIN, sock_read=request.silence),
            allow_redirects=False,
            proxy=self._proxy,
        )

    async def read(self, answer: Response) -> bytes:
        response: aiohttp.ClientResponse = answer.stream
        try:
            return await response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(*self._address.out_of_reach(error)) from error

    async def close_answer(self, answer: Response) -> None:
        response: aiohttp.ClientResponse = answer.stream
        if response.content.at_eof():
            response.release()
        else:  # the rest of it would be taken for the next answer
            response.close()

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # No netrc: it would take the place of the token. No cookies: the server has none.
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        if self._session.closed:
            raise ClientError("The client was closed.", "Make another one.")
        return self._session
