"""Alembic's entry: migrates the connection that ``migrate`` hands over."""

from alembic import context

from rowmill.store.tables import metadata

# Alembic takes SQLite for a database that commits after every change of its schema, which it is not.
context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
