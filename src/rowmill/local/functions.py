"""Functions that no other process can import: lambdas, and functions of a script or notebook. Jobs refer to them as
attributes of this module. Once the process has ended, their jobs wait for that script or notebook to run again."""

import hashlib
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any
from uuid import uuid4

import orjson

from rowmill.core.errors import UsageError

_known: dict[str, Callable[[dict[str, Any]], Any]] = {}


def register(function: str | Callable[[dict[str, Any]], Any]) -> str:
    """The name of ``function`` as ``module:function``: in its own module if it can be imported from there, otherwise in
    this one, under a name that stays the same from run to run as long as its code does."""
    if isinstance(function, str):
        return function
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if module not in (None, "__main__") and getattr(sys.modules.get(module), name, None) is function:
        return f"{module}:{name}"
    label = "".join(char for char in name.rpartition(".")[2] if char.isidentifier()) or type(function).__name__
    own = f"{label}_{_digest(function)}"
    _known[own] = function
    return f"{__name__}:{own}"


def is_registered(name: str) -> bool:
    """Whether ``module:function`` refers to a function of this module."""
    return name.startswith(f"{__name__}:")


def _digest(function: Callable[..., Any]) -> str:
    """Twelve hex digits that stand for the code of ``function`` and the plain values in its closure and defaults. If it
    holds other values, they differ each time."""
    digest = hashlib.sha256()
    try:
        code: CodeType = function.__code__
        cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
        state = [cells, getattr(function, "__defaults__", None), getattr(function, "__kwdefaults__", None)]
        digest.update(orjson.dumps(state, option=orjson.OPT_NON_STR_KEYS))
    except (AttributeError, ValueError, orjson.JSONEncodeError):
        return uuid4().hex[:12]
    _add(digest, code)
    return digest.hexdigest()[:12]


def _add(digest: Any, code: CodeType) -> None:
    digest.update(code.co_code + repr(code.co_names).encode())
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _add(digest, constant)
        elif isinstance(constant, frozenset):  # its order differs between processes
            digest.update(repr(sorted(map(repr, constant))).encode())
        else:
            digest.update(repr(constant).encode())


def __getattr__(name: str) -> Callable[[dict[str, Any]], Any]:
    if name in _known:
        return _known[name]
    if name.startswith("__"):
        raise AttributeError(name)
    label = name.rpartition("_")[0]
    hint = "Run that script or notebook again: the same call continues the job."
    raise UsageError(f"The function {label} is known only to the script or notebook that made the job.", hint)
