"""Tokens: made, listed, taken back, and what a request with one may do."""

import hashlib
import secrets
from contextlib import suppress

from rowmill.core.access import Access, Caller
from rowmill.core.errors import NotFound, StoreError, UsageError
from rowmill.core.messages import Message
from rowmill.core.timestamps import utc
from rowmill.db.values import new_id
from rowmill.ledger.store import Store
from rowmill.shapes import tokens as shapes
from rowmill.tokens.store import Token, Tokens

_PREFIX = "rm_"
_BYTES = 32
"""43 characters of base64."""

_NOTED_AFTER = 60.0
"""Seconds between two notes of a token's use: a note is a write, and requests come fast."""


def create(store: Store, name: str, scope: Access, token_id: str | None = None) -> tuple[Token, str]:
    """A new token, and what must be sent: that is stored nowhere and cannot be shown again. With the id of a token that
    is there, that one is made anew."""
    name = name.strip()
    if not (name and name.isprintable()):
        raise UsageError(Message.TOKEN_UNNAMED)
    token = Token(token_id or new_id("tok"), name, scope, store.clock(), None)
    clear = _PREFIX + secrets.token_urlsafe(_BYTES)
    Tokens(store.database).add(token, _digest(clear))
    return token, clear


class TokenAuthenticator:
    """Tells the HTTP API whose token a request was sent with."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def caller(self, token: str) -> Caller | None:
        known = authenticate(self._store, token)
        return Caller(known.id, known.scope) if known else None

    def required(self) -> bool:
        return any_active(self._store)


def authenticate(store: Store, clear: str) -> Token | None:
    """The token that is sent as ``clear``, ``None`` where there is no such one (any more)."""
    token = Tokens(store.database).with_hash(_digest(clear))
    now = store.clock()
    if token and (token.used_at is None or now - token.used_at >= _NOTED_AFTER):
        with suppress(StoreError):  # a full disk shuts nobody out who only looks
            Tokens(store.database).used(token.id, now)
    return token


def any_active(store: Store) -> bool:
    """Whether there is a token at all."""
    return Tokens(store.database).any()


def every(store: Store) -> list[Token]:
    """All tokens, the oldest first."""
    return sorted(Tokens(store.database).page(), key=lambda token: token.created_at)


def find(store: Store, name: str) -> Token:
    """A token by its id, a unique beginning of it, or its name. Raises ``NotFound``, and ``UsageError`` where several
    are meant."""
    found = Tokens(store.database).called(name) if name else []
    if not found:
        raise NotFound(Message.TOKEN_UNKNOWN, name=name)
    if len(found) > 1:
        raise UsageError(f"{name!r} means {len(found)} tokens.", f"Give an id: {', '.join(t.id for t in found[:10])}")
    return found[0]


def revoke(store: Store, name: str) -> Token:
    """Takes back the token that ``find`` finds: from now on nothing is answered with it."""
    token = find(store, name)
    Tokens(store.database).drop(token.id)
    return token


def token_view(token: Token) -> shapes.Token:
    """``token`` as it is shown, without its secret."""
    return shapes.Token(token.id, token.name, token.scope, utc(token.created_at), utc(token.used_at))


def new_token_view(token: Token, clear: str) -> shapes.NewToken:
    """A token that has just been created, with its secret ``clear``."""
    return shapes.NewToken(token.id, token.name, token.scope, utc(token.created_at), utc(token.used_at), clear)


def _digest(clear: str) -> str:
    # No slow hash as for passwords: it guards 256 random bits, which nobody guesses.
    return hashlib.sha256(clear.encode(errors="replace")).hexdigest()
