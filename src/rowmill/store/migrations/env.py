"""Alembic's entry: migrates the connection that ``migrate`` hands over."""

from alembic import context

from rowmill.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
