"""Requests that must not be done twice: what was asked under a key, and what was answered."""

from dataclasses import dataclass

from rowmill.db.database import Database


@dataclass(frozen=True, slots=True)
class KeptRequest:
    """``digest`` tells what was asked, ``resource`` is the id that what it makes has or will have, ``answer`` what was
    answered, ``None`` while that is being worked out."""

    digest: str
    resource: str
    answer: str | None


class Requests:
    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, owner: str, key: str, digest: str, resource: str, now: float) -> KeptRequest:
        """The request of ``owner`` under ``key``: the one that is there, or this."""
        with self._database.transaction() as tx:
            tx.execute(
                """INSERT INTO requests (owner, key, digest, resource, created_at) VALUES (?, ?, ?, ?, ?)
                   ON CONFLICT (owner, key) DO NOTHING""",
                (owner, key, digest, resource, now),
            )
            sql = "SELECT digest, resource, answer FROM requests WHERE owner = ? AND key = ?"
            return KeptRequest(*tx.execute(sql, (owner, key))[0])

    def answer(self, owner: str, key: str, answer: str) -> None:
        with self._database.transaction() as tx:
            tx.execute("UPDATE requests SET answer = ? WHERE owner = ? AND key = ?", (answer, owner, key))

    def drop(self, owner: str, key: str) -> None:
        """The request was refused: the key is free again."""
        with self._database.transaction() as tx:
            tx.execute("DELETE FROM requests WHERE owner = ? AND key = ? AND answer IS NULL", (owner, key))

    def forget(self, before: float) -> None:
        """Removes requests older than the moment ``before`` (Unix seconds)."""
        with self._database.transaction() as tx:
            tx.execute("DELETE FROM requests WHERE created_at < ?", (before,))
