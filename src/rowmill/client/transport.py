"""Who does what a verb asks for: blocking (``Sync``) or in an event loop (``Async``)."""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from typing import Any, BinaryIO, TypeVar

from rowmill.client.exchange import (
    Action,
    Answer,
    Close,
    Flow,
    Item,
    Open,
    Read,
    Request,
    Sleep,
    Steps,
    once,
)

T = TypeVar("T")

_CHUNK = 1 << 18


class Sync(ABC):
    """Does things while the caller waits. Whatever is raised meanwhile, Ctrl-C too, is raised within the verb."""

    @abstractmethod
    def open(self, request: Request) -> Answer: ...

    @abstractmethod
    def read(self, answer: Answer) -> bytes: ...

    @abstractmethod
    def close_answer(self, answer: Answer) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Gives up what is held open."""

    def run(self, steps: Steps[T]) -> T:
        """The value of a verb."""
        [value] = self.stream(once(steps))
        return value

    def stream(self, flow: Flow[T]) -> Generator[T, None, None]:
        """The values of a verb, one after the other."""
        try:
            action = next(flow)
            while True:
                outcome = None
                try:
                    if isinstance(action, Item):
                        yield action.value
                    else:
                        outcome = self._do(action)
                except BaseException as error:  # noqa: BLE001 - the verb closes what it has opened
                    action = flow.throw(error)
                else:
                    action = flow.send(outcome)
        except StopIteration:
            return

    def _do(self, action: Action) -> Any:
        match action:
            case Open(request):
                return self.open(request)
            case Read(answer):
                return self.read(answer)
            case Close(answer):
                return self.close_answer(answer)
            case Sleep(seconds):
                return time.sleep(seconds)


class Async(ABC):
    """Does things in the caller's event loop. Whatever is raised meanwhile is raised within the verb."""

    @abstractmethod
    async def open(self, request: Request) -> Answer: ...

    @abstractmethod
    async def read(self, answer: Answer) -> bytes: ...

    @abstractmethod
    async def close_answer(self, answer: Answer) -> None: ...

    @abstractmethod
    async def close(self) -> None:
        """Gives up what is held open."""

    async def run(self, steps: Steps[T]) -> T:
        """The value of a verb."""
        [value] = [value async for value in self.stream(once(steps))]
        return value

    async def stream(self, flow: Flow[T]) -> AsyncGenerator[T, None]:
        """The values of a verb, one after the other."""
        try:
            action = next(flow)
            while True:
                outcome = None
                try:
                    if isinstance(action, Item):
                        yield action.value
                    else:
                        outcome = await self._do(action)
                except BaseException as error:  # noqa: BLE001 - the verb closes what it has opened
                    action = flow.throw(error)
                else:
                    action = flow.send(outcome)
        except StopIteration:
            return

    async def _do(self, action: Action) -> Any:
        match action:
            case Open(request):
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
