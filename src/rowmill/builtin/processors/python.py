"""Fills columns with a Python function of the row's dict, async or plain."""

import asyncio
import dataclasses
import importlib
import inspect
import math
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

from rowmill.builtin.processors.threads import CallThreads
from rowmill.core.errors import UsageError
from rowmill.core.outcome import Done, Failed, Outcome, RetryLater, StopJob
from rowmill.core.suggest import did_you_mean, listing

_OUTCOMES = (Done, Failed, RetryLater, StopJob)


class PythonProcessor:
    """``config``: ``function`` as ``module:function``, and ``path``, the directories to import it from.

    The function gets the row as a dict and returns a dict with every output column (or, where there is only one, its
    value), or an outcome. An async function runs in the event loop, a plain one in threads. Raises ``UsageError`` where
    it cannot be imported."""

    max_concurrency: int | None = None

    def __init__(self, config: Mapping[str, Any], outputs: Mapping[str, Mapping[str, Any]]) -> None:
        self._name = config["function"]
        self.limit_key: str | None = f"python:{self._name}"
        self._function = _imported(self._name, config.get("path") or ())
        self._columns = tuple(outputs)
        self._is_async = inspect.iscoroutinefunction(self._function) or inspect.iscoroutinefunction(
            type(self._function).__call__
        )
        self._threads: CallThreads | None = None

    async def open(self) -> None:
        if not self._is_async:
            self._threads = CallThreads(self._called)

    async def close(self) -> None:
        if self._threads is not None:
            self._threads.close()

    async def process(self, values: Mapping[str, Any]) -> Outcome:
        """Calls the function with a copy of the row."""
        result = self._called(dict(values)) if self._threads is None else await self._threads.call(dict(values))
        return await self._awaited(result) if inspect.isawaitable(result) else result

    def weigh(self, values: Mapping[str, Any]) -> int:
        return 0

    def _called(self, values: dict[str, Any]) -> Outcome | Awaitable[Any]:
        """What the function returned, as an outcome unless it has yet to be awaited (an async function may hide in a
        plain wrapper). Never raises: it also runs in threads."""
        try:
            result = self._function(values)
            return result if inspect.isawaitable(result) else self._outcome(result)
        except BaseException as error:  # noqa: BLE001 - not even sys.exit() may end the thread
            return _function_error(error)

    async def _awaited(self, result: Awaitable[Any]) -> Outcome:
        try:
            return self._outcome(await result)
        except BaseException as error:  # not even sys.exit() may end the event loop
            task = asyncio.current_task()
            if isinstance(error, asyncio.CancelledError) and task and task.cancelling():
                raise
            return _function_error(error)

    def _outcome(self, result: Any) -> Outcome:
        if isinstance(result, Done):
            checked = self._outcome(result.values)
            return Done(checked.values, result.usage, result.hold) if isinstance(checked, Done) else checked
        if isinstance(result, _OUTCOMES):
            return result
        if not isinstance(result, dict):
            if len(self._columns) != 1:
                return self._invalid(
                    f"returned {type(result).__name__} where a dict of {listing(self._columns)} is due"
                )
            result = {self._columns[0]: result}
        return self._checked(result)

    def _checked(self, result: dict[str, Any]) -> Outcome:
        missing = [column for column in self._columns if column not in result]
        if missing:
            return self._invalid(f"returned no {listing(missing)}")
        values = {column: result[column] for column in self._columns}
        try:
            # There and back: what was a tuple, a date or a NumPy number is plain JSON for those who write it out.
            text = orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY)
        except orjson.JSONEncodeError as error:
            return self._invalid(f"returned what JSON cannot hold: {error}")
        if b"null" in text:  # orjson writes it for NaN and Infinity too, so only then are they looked for
            lost = [column for column, value in values.items() if _holds_no_number(value)]
            if lost:
                return self._invalid(f"returned NaN or Infinity for {listing(lost)}, which JSON cannot hold")
        return Done(orjson.loads(text))

    def _invalid(self, what: str) -> Failed:
        return Failed("invalid_output", f"{self._name} {what}.")


def _function_error(error: BaseException) -> RetryLater:
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - an exception's own text is foreign code too
        text = ""
    return RetryLater("function_error", f"{type(error).__name__}: {text}".rstrip(": "))


def _holds_no_number(value: Any) -> bool:
    """Whether NaN or an infinity is anywhere in what orjson has been able to write."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_holds_no_number, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_no_number, value))
    if dataclasses.is_dataclass(value):
        return any(_holds_no_number(getattr(value, field.name)) for field in dataclasses.fields(value))
    return hasattr(value, "tolist") and _holds_no_number(value.tolist())  # a NumPy array or number


def _imported(name: str, path: Iterable[str]) -> Callable[[dict[str, Any]], Any]:
    module_name, colon, function_name = name.partition(":")
    if not (module_name and colon and function_name):
        raise UsageError(f"{name!r} names no function.", "Write module:function.")
    directories = [str(Path(directory).resolve()) for directory in path]
    sys.path[:0] = [directory for directory in directories if directory not in sys.path]
    module = _module(module_name, directories)
    function = getattr(module, function_name, None)
    if not callable(function):
        known = [key for key, value in vars(module).items() if inspect.isfunction(value)]
        hint = f"{did_you_mean(function_name, known)} Its functions are: {listing(known)}.".strip()
        raise UsageError(f"The module {module_name!r} has no function {function_name!r}.", hint)
    return function  # type: ignore[no-any-return]  # callable() is all that can be known of it


def _module(name: str, directories: list[str]) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or f"{name}.".startswith(f"{error.name}."):
            hint = did_you_mean(name, _modules(directories)) or _looked_for_in(directories)
            raise UsageError(f"There is no Python module {name!r}.", hint) from error
        raise _unimportable(name, error) from error
    except Exception as error:
        raise _unimportable(name, error) from error
    _refuse_namesake(name, directories)
    return module


def _refuse_namesake(name: str, directories: list[str]) -> None:
    """One process works many jobs: a module of the same name from elsewhere may have been loaded for another one."""
    package = name.partition(".")[0]
    wanted = PathFinder.find_spec(package, directories)
    loaded = getattr(sys.modules[package], "__file__", None)
    if wanted and wanted.origin and loaded and wanted.origin != loaded:
        message = f"The module {package!r} from {wanted.origin} cannot be loaded beside its namesake {loaded}."
        raise UsageError(message, "Give it another name.")


def _unimportable(name: str, error: Exception) -> UsageError:
    message = f"The module {name!r} cannot be imported: {type(error).__name__}: {error}."
    return UsageError(message, f"See that python -c 'import {name}' works.")


def _looked_for_in(directories: list[str]) -> str:
    return f"It was looked for in {listing(directories)} too." if directories else "Install it beside Rowmill."


def _modules(directories: list[str]) -> list[str]:
    return [path.stem for directory in directories for path in Path(directory).glob("*.py")]
