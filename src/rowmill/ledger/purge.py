"""Removes what nothing needs any more, a little at a time so that no other process waits for it.

It looks for orphans instead of being told what to remove, so that it also ends what a killed process began.
"""

from rowmill.db.database import Database, Maintenance, Presence

_BATCH = 5000
_JOB_LINES = {
    "outcomes": "number, seq",
    "attempts": "number, seq",
    "deferred": "number",
    "slots": "generation, slot",
    "chunks": "hi",
    "spans": "lo",
    "results": "dataset, record, result_version",
    "selection": "number",
    "executions": "number",
}

_DATASET_LINES = {"records": "number, revision", "keys": "key"}


def purge(database: Database, presence: Presence, maintenance: Maintenance) -> None:
    """Removes the lines of deleted jobs, datasets that no job uses, and loads that their process did not end."""
    for table, key in _JOB_LINES.items():
        _drain(database, maintenance, table, key, "job", "SELECT pk FROM jobs")
    with database.transaction() as tx:
        tx.execute(
            """DELETE FROM datasets WHERE loader IS NULL AND pk NOT IN (SELECT dataset FROM jobs)
               AND (named = 0 OR revision = 0)"""
        )
        for pk, loader in tx.execute("SELECT pk, loader FROM datasets WHERE loader IS NOT NULL"):
            if not presence.alive(loader):
                tx.execute("DELETE FROM datasets WHERE pk = ?", (pk,))
    for table, key in _DATASET_LINES.items():
        _drain(database, maintenance, table, key, "dataset", "SELECT pk FROM datasets")


def _drain(database: Database, maintenance: Maintenance, table: str, key: str, owner: str, owners: str) -> None:
    """Deletes the lines of ``table`` whose ``owner`` is not among ``owners``."""
    # Names of tables and columns come from this file alone. From owner to owner, so that no table is read through.
    following = f"SELECT min({owner}) FROM {table} WHERE {owner} > ?"  # noqa: S608
    some = f"""DELETE FROM {table} WHERE {owner} = ? AND ({key}) IN
               (SELECT {key} FROM {table} WHERE {owner} = ? LIMIT ?)"""  # noqa: S608
    found = database.read(following, (0,))[0][0]
    while found is not None:
        if database.read(f"{owners} WHERE pk = ?", (found,)):
            found = database.read(following, (found,))[0][0]
            continue
        with database.transaction() as tx:
            if not tx.change(some, (found, found, _BATCH)):
                found = tx.execute(following, (found,))[0][0]
        maintenance.maintain()
