"""Connections: made, listed, changed, tried, deleted."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from rowmill.connections import service as connections
from rowmill.connections.check import check_connection
from rowmill.connections.inputs import ConnectionChange, ConnectionInput, ConnectionTrial
from rowmill.connections.service import connection_view, qualified
from rowmill.connections.store import Connection, Connections
from rowmill.http import etags
from rowmill.http.access import ADMIN, READ
from rowmill.http.answers import Answer
from rowmill.http.context import ContextDep, StoreDep
from rowmill.http.etags import IfMatch, etag_of
from rowmill.http.idempotency import Made, OnceDep
from rowmill.http.paging import Cursor, Limit, Pager
from rowmill.http.problems import responses
from rowmill.shapes import connections as shapes
from rowmill.shapes.base import Page

router = APIRouter(prefix="/v1/connections", tags=["connections"])

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="The connection's name.")]


def the_connection(store: StoreDep, name: Name) -> Connection:
    """The connection of the path. Raises ``NotFound``."""
    return connections.get(store, name)


ConnectionDep = Annotated[Connection, Depends(the_connection)]


@router.post(
    "",
    status_code=201,
    response_model=shapes.Connection,
    dependencies=[ADMIN],
    responses=responses("conflict", "idempotency_key_reused", "not_found", "usage"),
)
def create_connection(store: StoreDep, once: OnceDep, asked: ConnectionInput) -> Response:
    """Makes a connection, which jobs call by its name."""

    def make(connection_id: str) -> Made:
        given = asked.model_dump(exclude={"name", "provider"})
        made = connections.add(store, asked.name, asked.provider, **given, connection_id=connection_id)
        return Made(connection_view(made), headers={"Location": f"/v1/connections/{made.name}", "ETag": _etag(made)})

    return once("conn", asked, make)


@router.get("", response_model=Page[shapes.Connection], dependencies=[READ], responses=responses("invalid_cursor"))
def list_connections(store: StoreDep, limit: Limit = 50, cursor: Cursor = None) -> Answer:
    """Connections by name."""
    pager = Pager("connections")
    found = Connections(store.database).page(pager.after(cursor, ""), limit + 1)
    return Answer(pager.page(found, limit, lambda connection: connection.name, connection_view))


@router.get("/{name}", response_model=shapes.Connection, dependencies=[READ], responses=responses("not_found"))
def get_connection(connection: ConnectionDep) -> Answer:
    """A connection; of its key only whether there is one."""
    return Answer(connection_view(connection), headers={"ETag": _etag(connection)})


@router.patch(
    "/{name}",
    response_model=shapes.Connection,
    dependencies=[ADMIN],
    responses=responses("conflict", "not_found", "precondition_failed", "usage"),
)
def change_connection(
    store: StoreDep, connection: ConnectionDep, change: ConnectionChange, if_match: IfMatch = None
) -> Answer:
    """Changes a connection. A running job uses it as it was until it is resumed."""
    given = change.model_dump(include=change.model_fields_set)
    changed = connections.update(store, connection.name, given, _seen(connection, if_match))
    return Answer(connection_view(changed), headers={"ETag": _etag(changed)})


@router.delete(
    "/{name}",
    status_code=204,
    response_class=Response,
    dependencies=[ADMIN],
    responses=responses("busy", "not_found", "precondition_failed"),
)
def delete_connection(store: StoreDep, connection: ConnectionDep, if_match: IfMatch = None) -> None:
    """Deletes a connection and its key, unless a job uses it that may go on."""
    connections.remove(store, connection.name, _seen(connection, if_match))


@router.post(
    "/{name}/test",
    response_model=shapes.ConnectionTest,
    dependencies=[ADMIN],
    responses=responses("not_found", "server_file", "usage"),
)
def try_connection(context: ContextDep, connection: ConnectionDep, asked: ConnectionTrial | None = None) -> Answer:
    """Tries a connection now: takes up to 30 seconds, and with a model the price of a token."""
    model = qualified(context.store, connection.name, asked.model if asked else None)
    context.policy.check_model(model)
    return Answer(check_connection(context.store, connection.name, model))


def _seen(connection: Connection, if_match: str | None) -> int | None:
    """The revision that is to be changed, ``None`` for whichever is there. Raises ``ApiError``."""
    etags.check(if_match, _etag(connection))
    return None if if_match is None else connection.revision


def _etag(connection: Connection) -> str:
    return etag_of(connection.id, connection.revision)
