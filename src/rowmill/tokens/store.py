"""Who may use the API. Of a token only its hash is stored."""

from dataclasses import dataclass

from rowmill.core.access import Access
from rowmill.core.bounds import NO_LIMIT
from rowmill.db.database import Database

_FIELDS = "id, name, scope, created_at, used_at"


@dataclass(frozen=True, slots=True)
class Token:
    """A token without what must be sent; times are Unix seconds, ``used_at`` is at most a minute old."""

    id: str
    name: str
    scope: Access
    created_at: float
    used_at: float | None


class Tokens:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: Token, digest: str) -> None:
        """Stores a token; one of the same id is replaced."""
        with self._database.transaction() as tx:
            tx.execute(
                """INSERT INTO tokens (id, name, scope, hash, created_at, used_at) VALUES (?, ?, ?, ?, ?, NULL)
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, scope = excluded.scope, hash = excluded.hash,
                      created_at = excluded.created_at, used_at = NULL""",
                (token.id, token.name, token.scope.value, digest, token.created_at),
            )

    def page(self, after: str = "", limit: int = NO_LIMIT) -> list[Token]:
        """Tokens in the order of their ids, after that one."""
        sql = f"SELECT {_FIELDS} FROM tokens WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608 - constants only
        return [_token(*line) for line in self._database.read(sql, (after, limit))]

    def called(self, name: str) -> list[Token]:
        """The token with this id, or else all with this name, or whose id begins so."""
        sql = f"SELECT {_FIELDS} FROM tokens WHERE id = ? OR name = ? OR substr(id, 1, ?) = ? ORDER BY id"  # noqa: S608 - constants only
        found = [_token(*line) for line in self._database.read(sql, (name, name, len(name), name))]
        return [token for token in found if token.id == name] or found

    def with_hash(self, digest: str) -> Token | None:
        sql = f"SELECT {_FIELDS} FROM tokens WHERE hash = ?"  # noqa: S608 - constants only
        lines = self._database.read(sql, (digest,))
        return _token(*lines[0]) if lines else None

    def any(self) -> bool:
        return bool(self._database.read("SELECT 1 FROM tokens LIMIT 1"))

    def used(self, token: str, now: float) -> None:
        """Notes that the token with this id was used."""
        with self._database.transaction() as tx:
            tx.execute("UPDATE tokens SET used_at = ? WHERE id = ?", (now, token))

    def drop(self, token: str) -> bool:
        """Removes the token with this id; whether it was there."""
        with self._database.transaction() as tx:
            return bool(tx.change("DELETE FROM tokens WHERE id = ?", (token,)))


def _token(id_: str, name: str, scope: str, created_at: float, used_at: float | None) -> Token:
    return Token(id_, name, Access(scope), created_at, used_at)
