"""Runs the migrations; apart, since it loads Alembic and SQLAlchemy."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from rowmill.model.errors import StoreError
from rowmill.store.sqlite import SQLiteDatabase


def migrate(database: SQLiteDatabase, version: str) -> None:
    """Brings ``database`` to ``version``, in one transaction. Raises ``StoreError`` while an engine lives."""
    with database.alone() as connection:
        if database.version() == version:  # another process was faster
            return
        if database.in_use():
            raise StoreError("The store must be brought up to date, but it is in use.", "End every rowmill first.")
        engine = create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent))
        with engine.connect() as sqlalchemy_connection:
            config.attributes["connection"] = sqlalchemy_connection
            command.upgrade(config, "head")
            sqlalchemy_connection.commit()
