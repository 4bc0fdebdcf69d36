"""How model providers are reached. Keys are stored as they were sealed (``rowmill.db.secret_box``)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from rowmill.core.bounds import NO_LIMIT
from rowmill.core.errors import Busy
from rowmill.db.database import Database, Transaction
from rowmill.ledger.mapping import step_of

_FIELDS = "id, name, provider, base_url, secret, rpm, tpm, revision, created_at"
_CHANGEABLE = ("base_url", "secret", "rpm", "tpm")


@dataclass(frozen=True, slots=True)
class Connection:
    """``secret`` is the sealed key, ``revision`` grows with each change; ``rpm`` and ``tpm`` hold for all jobs that use
    it, together."""

    id: str
    name: str
    provider: str
    base_url: str | None
    secret: str | None = field(repr=False)
    rpm: int | None
    tpm: int | None
    revision: int
    created_at: float


class Connections:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, connection: Connection) -> bool:
        """Stores a new one; ``False`` where there is one of that name already."""
        marks = ", ".join("?" * len(_FIELDS.split(", ")))
        sql = f"INSERT INTO connections ({_FIELDS}) VALUES ({marks}) ON CONFLICT (name) DO NOTHING"  # noqa: S608 - constants only
        values = [getattr(connection, name) for name in _FIELDS.split(", ")]
        with self._database.transaction() as tx:
            return bool(tx.change(sql, values))

    def page(self, after: str = "", limit: int = NO_LIMIT) -> list[Connection]:
        """Connections in the order of their names, after that one."""
        sql = f"SELECT {_FIELDS} FROM connections WHERE name > ? ORDER BY name LIMIT ?"  # noqa: S608 - constants only
        return [Connection(*line) for line in self._database.read(sql, (after, limit))]

    def named(self, name: str) -> Connection | None:
        sql = f"SELECT {_FIELDS} FROM connections WHERE name = ?"  # noqa: S608 - constants only
        lines = self._database.read(sql, (name,))
        return Connection(*lines[0]) if lines else None

    def change(self, name: str, changes: Mapping[str, Any], revision: int) -> bool:
        """Sets ``base_url``, ``secret``, ``rpm`` or ``tpm``; ``False`` where it is not at ``revision`` any more."""
        given = [field for field in _CHANGEABLE if field in changes]
        settings = "".join(f"{field} = ?, " for field in given)
        with self._database.transaction() as tx:
            return bool(
                tx.change(
                    f"UPDATE connections SET {settings}revision = revision + 1 WHERE name = ? AND revision = ?",  # noqa: S608 - names of columns
                    (*(changes[field] for field in given), name, revision),
                )
            )

    def remove(self, name: str, revision: int) -> bool:
        """Removes the connection; ``False`` where it is not at ``revision`` any more. Raises ``Busy`` where a job uses
        it that may go on."""
        with self._database.transaction() as tx:
            if user := _user(tx, name):
                raise Busy(f"{user} uses the connection {name}.", "Let it end, or cancel it, first.")
            return bool(tx.change("DELETE FROM connections WHERE name = ? AND revision = ?", (name, revision)))


def _user(tx: Transaction, name: str) -> str | None:
    """The id of a job that may go on and uses the connection."""
    lines = tx.execute(
        """SELECT id, spec FROM jobs WHERE status NOT IN ('completed', 'cancelled') AND spec LIKE '%"connection":%'
           ORDER BY pk"""
    )
    return next((job for job, spec in lines if name in _used(spec)), None)


def _used(spec: str) -> set[str | None]:
    return {step_of(kept).connection for kept in orjson.loads(spec)["steps"]}


def key_context(connection: Connection) -> str:
    """What the key of ``connection`` is sealed for, and for nothing else."""
    return f"connection:{connection.id}"
