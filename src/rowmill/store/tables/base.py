"""How tables are declared."""

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table

metadata = MetaData()

KEY = BigInteger().with_variant(Integer, "sqlite")


def table(name: str, *columns: Column[Any] | Index, clustered: bool = False) -> None:
    """Declares a table; a ``clustered`` one lies in the order of its primary key."""
    if clustered:
        Table(name, metadata, *columns, sqlite_with_rowid=False)
    else:
        Table(name, metadata, *columns, sqlite_autoincrement=True)
