"""Makes methods of generators, for sync and async clients alike."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from rowmill.client.exchange import Exchange, Stream
from rowmill.client.transport import Async, Sync

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar

    M = DefaultTypeVar("M", bound=Sync | Async, default=Sync)
else:
    M = TypeVar("M")

P = ParamSpec("P")
Q = ParamSpec("Q")
T = TypeVar("T")


class Resource(Generic[M]):
    """Something whose methods use a transport."""

    def __init__(self, transport: M) -> None:
        self._transport = transport


class call(Generic[P, T]):  # noqa: N801 - a decorator
    """A method that returns one value: itself on a sync transport, as an awaitable on an async one."""

    def __init__(self, function: Callable[Concatenate[Any, P], Exchange[T]]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "call[P, T]": ...
    @overload
    def __get__(self, instance: Resource[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Resource[Async], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Resource[Any] | None, owner: type) -> Any:
        if instance is None:
            return self
        return _bound(self.function, instance, instance._transport.run)


class stream(Generic[P, T]):  # noqa: N801 - likewise
    """A method that returns values one after the other: an iterator or an async iterator."""

    def __init__(self, function: Callable[Concatenate[Any, P], Stream[T]]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "stream[P, T]": ...
    @overload
    def __get__(self, instance: Resource[Sync], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Resource[Async], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Resource[Any] | None, owner: type) -> Any:
        if instance is None:
            return self
        return _bound(self.function, instance, instance._transport.stream)


def _bound(function: Callable[..., Any], instance: Resource[Any], run: Callable[[Any], Any]) -> Callable[..., Any]:
    def method(*args: Any, **kwargs: Any) -> Any:
        return run(function(instance, *args, **kwargs))

    return update_wrapper(method, function)
