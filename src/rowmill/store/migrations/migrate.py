"""Runs the migrations; apart, since it loads Alembic and SQLAlchemy."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from rowmill.core.errors import StoreError
from rowmill.db.sqlite.database import SQLiteDatabase


def migrate(database: SQLiteDatabase, version: str) -> None:
    """Brings ``database`` to ``version``, in one transaction. Raises ``StoreError`` while an engine lives."""
    with database.alone() as connection:
        if database.version() == version:  # another process was faster
            return
        if database.in_use():
            raise StoreError("The store must be brought up to date, but it is in use.", "End every rowmill first.")
        engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        # The driver begins nothing by itself: without this every change of the schema would be committed alone.
        event.listen(engine, "begin", lambda begun: begun.exec_driver_sql("BEGIN IMMEDIATE"))
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        try:
            with engine.connect() as sqlalchemy_connection:
                config.attributes["connection"] = sqlalchemy_connection
                command.upgrade(config, "head")
                sqlalchemy_connection.commit()
        except DBAPIError as error:
            message = f"The store could not be brought up to date: {error.orig}."
            raise StoreError(message, "Free space on the disk of ROWMILL_HOME, then run the command again.") from error
