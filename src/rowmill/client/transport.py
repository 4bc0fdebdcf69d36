"""Runs exchanges and streams: blocking (``Sync``) or in an event loop (``Async``)."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from typing import Any, BinaryIO, TypeVar

from rowmill.client.exchange import (
    Close,
    Emit,
    Exchange,
    Operation,
    Read,
    Request,
    Response,
    Send,
    Sleep,
    Stream,
    once,
)

T = TypeVar("T")

_CHUNK = 1 << 18


class Sync(ABC):
    """Blocks the caller. Whatever is raised meanwhile, Ctrl-C too, is raised within the generator."""

    @abstractmethod
    def open(self, request: Request) -> Response: ...

    @abstractmethod
    def read(self, answer: Response) -> bytes: ...

    @abstractmethod
    def close_answer(self, answer: Response) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Closes its connections."""

    def run(self, generator: Exchange[T]) -> T:
        """Returns the value of an exchange."""
        [value] = self.stream(once(generator))
        return value

    def stream(self, generator: Stream[T]) -> Generator[T, None, None]:
        """Yields the values of a stream."""
        try:
            action = next(generator)
            while True:
                outcome = None
                try:
                    if isinstance(action, Emit):
                        yield action.value
                    else:
                        outcome = self._do(action)
                except BaseException as error:  # noqa: BLE001 - the generator closes what it has opened
                    action = generator.throw(error)
                else:
                    action = generator.send(outcome)
        except StopIteration:
            return

    def _do(self, action: Operation) -> Any:
        match action:
            case Send(request):
                return self.open(request)
            case Read(answer):
                return self.read(answer)
            case Close(answer):
                return self.close_answer(answer)
            case Sleep(seconds):
                return time.sleep(seconds)


class Async(ABC):
    """Runs in the caller's event loop. Whatever is raised meanwhile is raised within the generator."""

    @abstractmethod
    async def open(self, request: Request) -> Response: ...

    @abstractmethod
    async def read(self, answer: Response) -> bytes: ...

    @abstractmethod
    async def close_answer(self, answer: Response) -> None: ...

    @abstractmethod
    async def close(self) -> None:
        """Closes its connections."""

    async def run(self, generator: Exchange[T]) -> T:
        """Returns the value of an exchange."""
        [value] = [value async for value in self.stream(once(generator))]
        return value

    async def stream(self, generator: Stream[T]) -> AsyncGenerator[T, None]:
        """Yields the values of a stream."""
        try:
            action = next(generator)
            while True:
                outcome = None
                try:
                    if isinstance(action, Emit):
                        yield action.value
                    else:
                        outcome = await self._do(action)
                except BaseException as error:  # noqa: BLE001 - the generator closes what it has opened
                    action = generator.throw(error)
                else:
                    action = generator.send(outcome)
        except StopIteration:
            return

    async def _do(self, action: Operation) -> Any:
        match action:
            case Send(request):
                return await self.open(request)
            case Read(answer):
                return await self.read(answer)
            case Close(answer):
                return await self.close_answer(answer)
            case Sleep(seconds):
                return await asyncio.sleep(seconds)


async def chunks(file: BinaryIO) -> AsyncIterator[bytes]:
    """What ``file`` holds, read in threads."""
    while part := await asyncio.to_thread(file.read, _CHUNK):
        yield part
