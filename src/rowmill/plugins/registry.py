"""Finds plugins by entry point; Rowmill's own come by the same way."""

from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, Literal

from rowmill.core.errors import NotFound, UsageError
from rowmill.core.suggest import did_you_mean, listing

Group = Literal["readers", "writers", "storage", "processors", "providers"]


def names(group: Group) -> list[str]:
    """What is installed in a group, sorted; nothing is imported for it."""
    return sorted(_installed(group).names)


@cache
def load(group: Group, name: str) -> Any:
    """The class or factory that an entry point names; only its own module is imported. Raises ``NotFound`` with what
    is there, and ``UsageError`` where two packages claim the name or the plugin cannot be imported."""
    found = _installed(group).select(name=name)
    targets = {entry.value: entry for entry in found}
    if not targets:
        known = names(group)
        hint = f"{did_you_mean(name, known)} Installed: {listing(known)}.".strip()
        raise NotFound(f"There is no {group.removesuffix('s')} {name!r}.", hint)
    if len(targets) > 1:
        claims = " and ".join(sorted(map(_origin, targets.values())))
        raise UsageError(f"The {group.removesuffix('s')} {name!r} is claimed by {claims}.", "Uninstall one of them.")
    return _imported(group, *targets.values())


def _imported(group: Group, entry: EntryPoint) -> Any:
    try:
        return entry.load()
    except ModuleNotFoundError as error:
        if not entry.extras:
            raise _broken(group, entry, error) from error
        hint = f"Install it with: pip install 'rowmill[{','.join(entry.extras)}]'"
        raise UsageError(f"For {entry.name!r} the package {error.name} is not installed.", hint) from error
    except Exception as error:  # a plugin's module may raise anything while it is imported
        raise _broken(group, entry, error) from error


def _broken(group: Group, entry: EntryPoint, error: Exception) -> UsageError:
    return UsageError(
        f"The {group.removesuffix('s')} {entry.name!r} from {_origin(entry)} cannot be loaded: "
        f"{type(error).__name__}: {error}.",
        "Reinstall or remove it.",
    )


def _origin(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else entry.value


@cache
def _installed(group: Group) -> EntryPoints:
    return entry_points(group=f"rowmill.{group}")
