"""Lasting datasets: revisions, keys, results; imports and exports as jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    _datasets()
    _records()
    _jobs()
    op.create_table(
        "keys",
        sa.Column("dataset", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("job", sa.BigInteger(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "key"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "results",
        sa.Column("dataset", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.BigInteger(), nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("job", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("input_hash", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "record", "stamp"),
        sqlite_with_rowid=False,
    )
    op.create_index("results_job", "results", ["job"], unique=False)
    op.create_table(
        "spans",
        sa.Column("job", sa.BigInteger(), nullable=False),
        sa.Column("lo", sa.BigInteger(), nullable=False),
        sa.Column("hi", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("record", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("job", "lo"),
        sqlite_with_rowid=False,
    )


def _datasets() -> None:
    op.add_column("datasets", sa.Column("named", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("datasets", sa.Column("revision", sa.BigInteger(), nullable=False, server_default="1"))
    op.add_column("datasets", sa.Column("stamp", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("datasets", sa.Column("schema", sa.Text(), nullable=True))
    op.add_column("datasets", sa.Column("importer", sa.BigInteger(), nullable=True))
    op.add_column("datasets", sa.Column("profile", sa.Text(), nullable=True))
    op.create_index(
        "datasets_name",
        "datasets",
        ["name"],
        unique=True,
        sqlite_where=sa.text("named = 1"),
        postgresql_where=sa.text("named = 1"),
    )


def _records() -> None:
    op.rename_table("records", "old_records")
    op.create_table(
        "records",
        sa.Column("dataset", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("superseded", sa.BigInteger(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("dataset", "number", "revision"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO records (dataset, number, revision, data) SELECT dataset, number, 1, data FROM old_records"
        " ORDER BY dataset, number"
    )
    op.drop_table("old_records")


def _jobs() -> None:
    op.add_column("jobs", sa.Column("revision", sa.BigInteger(), nullable=False, server_default="1"))
    op.add_column("jobs", sa.Column("stamp", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("jobs", sa.Column("origin", sa.BigInteger(), nullable=True))
    op.add_column("jobs", sa.Column("position", sa.Text(), nullable=True))
    for name in ("created", "updated", "unchanged"):
        op.add_column("jobs", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("executions", sa.Column("began_seq", sa.BigInteger(), nullable=False, server_default="0"))
