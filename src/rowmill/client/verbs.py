"""Methods from verbs: on a sync transport they return the value, on an async one an awaitable of it."""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from rowmill.client.exchange import Flow, Steps
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
    """Something whose verbs go over a transport."""

    def __init__(self, transport: M) -> None:
        self._transport = transport


class verb(Generic[P, T]):  # noqa: N801 - a decorator
    """A method that gives one value."""

    def __init__(self, function: Callable[Concatenate[Any, P], Steps[T]]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "verb[P, T]": ...
    @overload
    def __get__(self, instance: Resource[Sync], owner: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, instance: Resource[Async], owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, instance: Resource[Any] | None, owner: type) -> Any:
        return self if instance is None else method_of(self.function, instance, "run")


class stream(Generic[P, T]):  # noqa: N801 - likewise
    """A method that gives values one after the other."""

    def __init__(self, function: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> "stream[P, T]": ...
    @overload
    def __get__(self, instance: Resource[Sync], owner: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, instance: Resource[Async], owner: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, instance: Resource[Any] | None, owner: type) -> Any:
        return self if instance is None else method_of(self.function, instance, "stream")


def method_of(function: Callable[..., Any], instance: Resource[Any], how: str) -> Callable[..., Any]:
    """``function`` as a method of ``instance``, done ``how`` the transport calls it: ``run`` or ``stream``."""

    def method(*args: Any, **kwargs: Any) -> Any:
        return getattr(instance._transport, how)(function(instance, *args, **kwargs))

    return update_wrapper(method, function)
