"""Connections: how a model provider is reached, with the key kept encrypted, and by which name jobs call it."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from rowmill.connections.store import Connection, Connections, key_context
from rowmill.core.errors import Conflict, NotFound, Outdated, UsageError
from rowmill.core.messages import Message
from rowmill.core.suggest import did_you_mean
from rowmill.core.timestamps import utc
from rowmill.db.values import new_id
from rowmill.ledger.store import Store
from rowmill.plugins.registry import load, names
from rowmill.shapes import connections as shapes

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
LONGEST = 10_000
"""Characters of a key, or of a base URL."""

MOST = 2_000_000_000
"""Calls or tokens a minute; more is no limit."""


def add(
    store: Store,
    name: str,
    provider: str,
    *,
    base_url: str | None = None,
    key: str | None = None,
    rpm: int | None = None,
    tpm: int | None = None,
    connection_id: str | None = None,
) -> Connection:
    """A new connection to an installed ``provider``; ``rpm`` and ``tpm`` bound all jobs that use it, together.

    Raises ``Conflict`` where the name is taken (but by one with this very ``connection_id``, which is given back),
    ``NotFound`` for a provider that is not installed, and ``UsageError`` for what cannot work.
    """
    _check(name, provider)
    made = Connection(
        id=connection_id or new_id("conn"),
        name=name,
        provider=provider,
        base_url=_checked_url(base_url),
        secret=None,
        rpm=_positive("rpm", rpm),
        tpm=_positive("tpm", tpm),
        revision=1,
        created_at=store.clock(),
    )
    made = replace(made, secret=_sealed(store, made, key))
    if Connections(store.database).add(made):
        return made
    there = get(store, name)
    if there.id == made.id:
        return there
    raise _taken(name)


def check_new(store: Store, name: str, provider: str) -> None:
    """Raises what ``add`` would, before anybody is asked for a key."""
    _check(name, provider)
    if Connections(store.database).named(name):
        raise _taken(name)


def update(store: Store, name: str, changes: Mapping[str, Any], revision: int | None = None) -> Connection:
    """The connection with ``changes`` of its ``base_url``, ``key``, ``rpm`` and ``tpm``; ``None`` takes one away, and
    what is left out stays.

    A key goes to the address that it was given for and to no other, so that nobody can have it sent to one of theirs:
    a new address needs its key again, or this raises ``Conflict``. Raises ``Outdated`` where the connection does not
    stand at ``revision``.
    """
    while (changed := _changed(store, _at(store, name, revision), changes)) is None:
        pass  # somebody else has changed it at this moment
    return changed


def remove(store: Store, name: str, revision: int | None = None) -> None:
    """Removes the connection and its key. Raises ``Busy`` with the job's id where one uses it that may go on, and
    ``Outdated`` where the connection does not stand at ``revision``."""
    while not Connections(store.database).remove(name, _at(store, name, revision).revision):
        pass  # somebody else has changed it at this moment


def every(store: Store) -> list[Connection]:
    """All connections, by name."""
    return Connections(store.database).page()


def get(store: Store, name: str) -> Connection:
    """Raises ``NotFound`` with the nearest name there is."""
    found = Connections(store.database).named(name)
    if found is None:
        near = did_you_mean(name, [each.name for each in every(store)])
        raise NotFound(Message.CONNECTION_UNKNOWN, near, name=name)
    return found


def qualified(store: Store, name: str | None, model: str | None) -> str | None:
    """``model`` as PROVIDER/MODEL, where over the connection called ``name`` the provider goes without saying."""
    if name is None or not model:
        return model
    provider = get(store, name).provider
    first, _, rest = model.partition("/")
    if rest and first == provider:
        return model
    if rest and first in names("providers"):
        hint = f"Leave {first}/ out, or write {provider}/{model} if that is the model's whole name there."
        raise UsageError(f"The connection {name} reaches models of {provider}, not of {first}.", hint)
    return f"{provider}/{model}"


def connection_view(connection: Connection) -> shapes.Connection:
    """``connection`` as it is shown: of its key only whether there is one."""
    return shapes.Connection(
        id=connection.id,
        name=connection.name,
        provider=connection.provider,
        base_url=connection.base_url,
        has_key=connection.secret is not None,
        rpm=connection.rpm,
        tpm=connection.tpm,
        created_at=utc(connection.created_at),
    )


def _changed(store: Store, there: Connection, changes: Mapping[str, Any]) -> Connection | None:
    settled: dict[str, Any] = {limit: _positive(limit, changes[limit]) for limit in ("rpm", "tpm") if limit in changes}
    if "base_url" in changes:
        settled["base_url"] = _checked_url(changes["base_url"])
        if settled["base_url"] != there.base_url and there.secret and "key" not in changes:
            raise Conflict(f"The key of {there.name} was given for another address.", "Give it again with the new one.")
    if "key" in changes:
        settled["secret"] = _sealed(store, there, changes["key"])
    made = Connections(store.database).change(there.name, settled, there.revision)
    return replace(there, **settled, revision=there.revision + 1) if made else None


def _check(name: str, provider: str) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a connection.", "Take up to 64 letters, digits, dots, - and _.")
    load("providers", provider)


def _taken(name: str) -> Conflict:
    return Conflict(Message.CONNECTION_EXISTS, name=name)


def _at(store: Store, name: str, revision: int | None) -> Connection:
    there = get(store, name)
    if revision not in (None, there.revision):
        raise Outdated(f"The connection {name} was changed in the meantime.", "Read it again, then change it.")
    return there


def _sealed(store: Store, connection: Connection, key: str | None) -> str | None:
    key = (key or "").strip()
    if not key:
        return None
    if len(key) > LONGEST or not (key.isascii() and key.isprintable()):
        raise UsageError("The key holds characters that no key has, or several lines.", "Give the key alone.")
    return store.secrets.seal(key, key_context(connection))


def _checked_url(url: str | None) -> str | None:
    """``url`` without blanks around it. Raises ``UsageError`` where it is none, or holds what must not be shown."""
    url = (url or "").strip()
    if not url:
        return None
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isascii() and url.isprintable()
    except ValueError:
        known = False
    if not known or " " in url or len(url) > LONGEST:
        raise UsageError("The base URL is not an HTTP address.", "Write it as https://HOST/v1.")
    if parts.username is not None or parts.password is not None:
        raise UsageError("The base URL holds a user name or a password, and is shown.", "Give a key instead.")
    return url


def _positive(limit: str, number: int | None) -> int | None:
    if number is not None and not 1 <= number <= MOST:
        raise UsageError(f"{limit} cannot be {number}.", f"Give a number from 1 to {MOST:,}, or none for no limit.")
    return number
