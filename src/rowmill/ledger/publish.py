"""The moment at which an import shows up in its dataset."""

from rowmill.db.database import Transaction
from rowmill.db.values import dump
from rowmill.ledger.mapping import position_of


def publish(tx: Transaction, job: int) -> None:
    """Lets an import that has ended show up in its dataset, in one step; does nothing for other jobs."""
    lines = tx.execute(
        "SELECT d.pk, j.position FROM datasets d JOIN jobs j ON j.pk = d.importer WHERE j.pk = ?",
        (job,),
    )
    for dataset, text in lines:
        position = position_of(text)
        if position.changed:
            tx.execute(
                "UPDATE datasets SET rows = ?, columns = ?, revision = revision + 1 WHERE pk = ?",
                (position.rows, dump(position.columns), dataset),
            )
        tx.execute("UPDATE datasets SET importer = NULL WHERE pk = ?", (dataset,))
