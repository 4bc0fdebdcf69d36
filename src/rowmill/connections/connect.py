"""What a step is told about its connection when it is opened, in memory only: a job stores the connection's name."""

from typing import Any

from rowmill.connections.store import Connection, Connections, key_context
from rowmill.core.errors import NotFound, UsageError
from rowmill.core.job import Step
from rowmill.core.messages import Message
from rowmill.ledger.limits import Meter
from rowmill.ledger.store import Store


def opened_config(store: Store, step: Step) -> dict[str, Any]:
    """The step's settings with all that its processor needs. Raises ``UsageError`` where its connection is gone or
    reaches another provider, and ``StoreError`` where its key cannot be read."""
    if step.connection is None:
        return step.config
    connection = Connections(store.database).named(step.connection)
    if connection is None:
        raise NotFound(Message.CONNECTION_GONE, name=step.connection)
    provider = step.config.get("provider")
    if connection.provider != provider:
        raise UsageError(
            Message.CONNECTION_CHANGED, name=connection.name, provider=connection.provider, expected=str(provider)
        )
    given = {**step.config["provider_config"], **provider_config(store, connection)}
    return {**step.config, "provider_config": given}


def provider_config(store: Store, connection: Connection) -> dict[str, Any]:
    """What a provider is told to go over ``connection``. Raises ``StoreError`` where its key cannot be read."""
    key = store.secrets.open(connection.secret, key_context(connection)) if connection.secret else None
    return {"connection": connection.name, "base_url": connection.base_url, "api_key": key}


def meter_of(store: Store, step: Step) -> Meter | None:
    """What bounds the calls of all jobs over the step's connection, if anything does."""
    connection = Connections(store.database).named(step.connection) if step.connection else None
    if connection is None or not (connection.rpm or connection.tpm):
        return None
    return Meter(key_context(connection), connection.rpm, connection.tpm)
