"""Live events, as server-sent events."""

from collections.abc import Callable
from typing import Annotated, Any, cast, get_args

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from rowmill.api.examples import STREAM
from rowmill.api.live import frames
from rowmill.api.live.hub import Hub, Listener
from rowmill.api.live.stream import EventStream, start
from rowmill.api.routes.jobs import JobId
from rowmill.core.access import Caller
from rowmill.core.errors import NotFound
from rowmill.core.status import JobType
from rowmill.http.access import READ, CallerDep
from rowmill.http.context import Context, ContextDep
from rowmill.http.problems import responses
from rowmill.shapes.events import StreamEvent
from rowmill.tokens.store import Tokens

router = APIRouter(prefix="/v1", tags=["events"], dependencies=[READ])

_NUMBER = r"^[0-9]{0,18}$"
_Header = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        pattern=_NUMBER,
        description="The last `id` that was seen: what followed is sent first. Browsers send it by themselves.",
    ),
]
_Query = Annotated[
    str | None,
    Query(alias="last_event_id", pattern=_NUMBER, description="The same, for clients that cannot set the header."),
]
_STREAM: dict[str, Any] = {
    "description": "Server-sent events until the client goes away or the server stops.",
    "content": {
        "text/event-stream": {
            "schema": {"type": "string"},
            "x-itemSchema": {  # as OpenAPI 3.2 will have it
                "type": "object",
                "required": ["data"],
                "properties": {
                    "id": {"type": "string", "description": "The number of a status event."},
                    "event": {"type": "string", "enum": list(get_args(StreamEvent))},
                    "data": {
                        "type": "string",
                        "contentMediaType": "application/json",
                        "contentSchema": {"$ref": "#/components/schemas/JobEvent"},
                    },
                    "retry": {"type": "integer"},
                },
            },
            "examples": {"job": {"summary": "A job that runs and completes", "value": STREAM}},
        }
    },
}


async def _hub(request: Request) -> Hub:
    return cast("Hub", request.app.state.hub)


HubDep = Annotated[Hub, Depends(_hub)]
_OVER = {"description": "The job has ended, and its last event has been seen: do not connect again."}


@router.get(
    "/jobs/{job_id}/events",
    response_class=Response,
    responses={**responses("not_found"), 200: _STREAM, 204: _OVER},
)
def stream_job_events(
    context: ContextDep, hub: HubDep, caller: CallerDep, job_id: JobId, header: _Header = None, query: _Query = None
) -> Response:
    """What happens to a job, as it happens: first how it stands, or with `Last-Event-ID` the status events that were
    missed; then each change of status, and between them its progress, at most four times a second. When the job has
    ended, so does the stream, with `end`."""
    store = context.store
    last_seen = _last_seen(header, query)
    begin = start(store, last_seen)
    job, last = store.browse.job_by_id(job_id), store.events.last(job_id)
    if job is None and (last_seen is None or not last):
        raise NotFound(f"There is no job {job_id}.", "GET /v1/jobs lists them.")
    if last_seen is not None and last_seen >= last and frames.has_ended(job):
        return Response(status_code=204)
    return EventStream(store, hub, Listener(job_id), begin, _permission(context, caller))


@router.get("/events", response_class=Response, responses={**responses(), 200: _STREAM})
def stream_events(
    context: ContextDep,
    hub: HubDep,
    caller: CallerDep,
    type_: Annotated[JobType | None, Query(alias="type", description="Only jobs of this type.")] = None,
    header: _Header = None,
    query: _Query = None,
) -> Response:
    """What happens to all jobs, as it happens: first each job that has not ended as it stands, or with `Last-Event-ID`
    the status events that were missed; then each change of status, and between them the progress of those that run."""
    begin = start(context.store, _last_seen(header, query))
    return EventStream(context.store, hub, Listener(job_type=type_), begin, _permission(context, caller))


def _last_seen(header: str | None, query: str | None) -> int | None:
    """The header outranks the address, which a browser sends again unchanged when it reconnects."""
    given = header or query
    return int(given) if given else None


def _permission(context: Context, caller: Caller) -> Callable[[], bool]:
    """Whether ``caller`` may still listen."""
    store = context.store
    if context.policy.trusted:
        return lambda: True
    if caller.token:
        return lambda: any(token.id == caller.token for token in Tokens(store.database).called(caller.token))
    return lambda: not context.authenticator.required()
