"""A local store as a transport, blocking or not."""

import asyncio
from contextlib import suppress

from rowmill.client.enrichment import Function
from rowmill.client.errors import ClientError
from rowmill.client.exchange import Answer, Request
from rowmill.client.transport import Async, Sync, Transport
from rowmill.local.asgi import Call
from rowmill.local.functions import register
from rowmill.local.store import LocalStore


class _Local(Transport):
    """Goes through ``local``, and closes it in the end."""

    def __init__(self, local: LocalStore) -> None:
        self._local = local

    def named(self, function: Function) -> str:
        return function if isinstance(function, str) else register(function)


class SyncLocal(_Local, Sync):
    """Blocking."""

    def open(self, request: Request) -> Answer:
        call = self._local.call(self._local.begin(request))
        return Answer(call.status, call.headers, call)

    def read(self, answer: Answer) -> bytes:
        call: Call = answer.stream
        return self._local.call(call.read())

    def close_answer(self, answer: Answer) -> None:
        with suppress(ClientError):  # it was closed with the store
            self._local.call(answer.stream.close())

    def is_abandoned(self, job_id: str) -> bool:
        return self._local.call(self._local.is_abandoned(job_id))

    def close(self) -> None:
        self._local.close()


class AsyncLocal(_Local, Async):
    """In an event loop."""

    async def open(self, request: Request) -> Answer:
        call = await self._local.call_async(self._local.begin(request))
        return Answer(call.status, call.headers, call)

    async def read(self, answer: Answer) -> bytes:
        call: Call = answer.stream
        return await self._local.call_async(call.read())

    async def close_answer(self, answer: Answer) -> None:
        with suppress(ClientError):  # it was closed with the store
            await self._local.call_async(answer.stream.close())

    async def is_abandoned(self, job_id: str) -> bool:
        return await self._local.call_async(self._local.is_abandoned(job_id))

    async def close(self) -> None:
        await asyncio.to_thread(self._local.close)
