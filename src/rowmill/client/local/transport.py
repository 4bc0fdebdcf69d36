"""A local store as a transport, blocking or not."""

import asyncio

from rowmill.client.enrichment import Function
from rowmill.client.exchange import Answer, Request
from rowmill.client.local.asgi import Call
from rowmill.client.local.functions import register
from rowmill.client.local.store import LocalStore
from rowmill.client.transport import Async, Sync


class SyncLocal(Sync):
    """Goes through ``local``, and closes it in the end."""

    def __init__(self, local: LocalStore) -> None:
        self._local = local

    def named(self, function: Function) -> str:
        return function if isinstance(function, str) else register(function)

    def open(self, request: Request) -> Answer:
        call = self._local.call(self._local.begin(request))
        return Answer(call.status, call.headers, call)

    def read(self, answer: Answer) -> bytes:
        call: Call = answer.stream
        return self._local.call(call.read())

    def close_answer(self, answer: Answer) -> None:
        self._local.call(answer.stream.close())

    def close(self) -> None:
        self._local.close()


class AsyncLocal(Async):
    """Goes through ``local``, and closes it in the end."""

    def __init__(self, local: LocalStore) -> None:
        self._local = local

    def named(self, function: Function) -> str:
        return function if isinstance(function, str) else register(function)

    async def open(self, request: Request) -> Answer:
        call = await self._local.call_async(self._local.begin(request))
        return Answer(call.status, call.headers, call)

    async def read(self, answer: Answer) -> bytes:
        call: Call = answer.stream
        return await self._local.call_async(call.read())

    async def close_answer(self, answer: Answer) -> None:
        await self._local.call_async(answer.stream.close())

    async def close(self) -> None:
        await asyncio.to_thread(self._local.close)
