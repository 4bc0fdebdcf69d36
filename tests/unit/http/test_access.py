import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import urllib3

from rowmill.api.app import create_app
from rowmill.api.live.hub import Hub
from rowmill.core.access import Access
from rowmill.http.context import Context
from rowmill.ledger.store import Store
from rowmill.tokens import service as tokens
from tests.support.serving import Api, served


@pytest.fixture
def foreign(context: Context, hub: Hub, document: dict[str, Any]) -> Any:
    """The API of a server that can be reached from other machines."""
    context.open = False
    with served(create_app(context, hub)) as url:
        yield Api(url, document)


def test_without_any_token_this_machine_is_answered(api: Api) -> None:
    assert api.get("/v1/jobs").status == 200


def test_once_there_is_a_token_it_is_needed(guarded: Api) -> None:
    assert guarded.get("/v1/jobs").status == 200
    refused = guarded.with_token(None).get("/v1/jobs")
    assert (refused.status, refused.code) == (401, "unauthorized")
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert "rowmill tokens create" in refused.json["hint"]


def test_a_server_that_others_reach_needs_a_token_also_while_there_is_none(foreign: Api) -> None:
    refused = foreign.get("/v1/jobs")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_a_wrong_token_is_refused_also_where_none_is_needed(api: Api) -> None:
    for sent in ("rm_wrong", "rm_ü", "rm_" + "a" * 5000):
        header = f"Bearer {sent}".encode().decode("latin-1")
        refused = api.get("/v1/jobs", headers={"Authorization": header})
        assert (refused.status, refused.code, refused.headers["WWW-Authenticate"]) == (401, "unauthorized", "Bearer")
        assert sent not in refused.content.decode()


def test_what_is_no_bearer_token_is_none(guarded: Api) -> None:
    for header in ("", "Bearer", "Bearer ", "Basic dTpw", "Token x"):
        assert guarded.with_token(None).get("/v1/jobs", headers={"Authorization": header}).status == 401, header


def test_the_word_bearer_may_be_written_in_any_case(guarded: Api) -> None:
    assert guarded.get("/v1/jobs", headers={"Authorization": f"bearer {guarded.token}"}).status == 200


def test_a_revoked_token_is_refused_at_once(guarded: Api, store: Store) -> None:
    token, clear = tokens.create(store, "for a while", Access.READ)
    reader = guarded.with_token(clear)
    assert reader.get("/v1/jobs").status == 200
    tokens.revoke(store, token.id)
    assert reader.get("/v1/jobs").code == "unauthorized"


def test_a_token_that_may_too_little_is_told_what_it_takes(guarded: Api, token: Callable[[Access], str]) -> None:
    reader = guarded.with_token(token(Access.READ))
    refused = reader.post("/v1/jobs", {"type": "enrichment"})
    assert (refused.status, refused.code) == (403, "forbidden")
    assert "scope run" in refused.json["hint"]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.json"])
def test_health_and_description_need_no_token(foreign: Api, path: str) -> None:
    assert foreign.get(path).status == 200


def test_a_job_that_is_not_there_is_not_told_to_strangers(guarded: Api) -> None:
    stranger = guarded.with_token(None)
    assert stranger.get("/v1/jobs/job_0").code == "unauthorized"
    assert stranger.get("/v1/jobs/?").code == "not_found"


NEEDED: dict[tuple[str, str], Access | None] = {
    ("GET", "/healthz"): None,
    ("GET", "/readyz"): None,
    ("GET", "/metrics"): Access.READ,
    ("GET", "/v1/workers"): Access.READ,
    ("POST", "/v1/jobs"): Access.RUN,
    ("GET", "/v1/jobs"): Access.READ,
    ("GET", "/v1/jobs/{job_id}"): Access.READ,
    ("PATCH", "/v1/jobs/{job_id}"): Access.RUN,
    ("DELETE", "/v1/jobs/{job_id}"): Access.ADMIN,
    ("POST", "/v1/jobs/{job_id}/start"): Access.RUN,
    ("POST", "/v1/jobs/{job_id}/pause"): Access.RUN,
    ("POST", "/v1/jobs/{job_id}/resume"): Access.RUN,
    ("POST", "/v1/jobs/{job_id}/cancel"): Access.RUN,
    ("POST", "/v1/jobs/{job_id}/retry"): Access.RUN,
    ("POST", "/v1/jobs/{job_id}/dismiss"): Access.RUN,
    ("GET", "/v1/jobs/{job_id}/rows"): Access.READ,
    ("GET", "/v1/jobs/{job_id}/rows/{number}"): Access.READ,
    ("POST", "/v1/connections"): Access.ADMIN,
    ("GET", "/v1/connections"): Access.READ,
    ("GET", "/v1/connections/{name}"): Access.READ,
    ("PATCH", "/v1/connections/{name}"): Access.ADMIN,
    ("DELETE", "/v1/connections/{name}"): Access.ADMIN,
    ("POST", "/v1/connections/{name}/test"): Access.ADMIN,
    ("POST", "/v1/datasets"): Access.RUN,
    ("GET", "/v1/datasets"): Access.READ,
    ("GET", "/v1/datasets/{dataset}"): Access.READ,
    ("DELETE", "/v1/datasets/{dataset}"): Access.ADMIN,
    ("GET", "/v1/datasets/{dataset}/records"): Access.READ,
    ("GET", "/v1/datasets/{dataset}/records/{number}"): Access.READ,
    ("GET", "/v1/datasets/{dataset}/profile"): Access.READ,
    ("GET", "/v1/jobs/{job_id}/events"): Access.READ,
    ("GET", "/v1/jobs/{job_id}/results"): Access.READ,
    ("GET", "/v1/events"): Access.READ,
    ("POST", "/v1/files"): Access.RUN,
    ("GET", "/v1/files"): Access.READ,
    ("GET", "/v1/files/{file_id}"): Access.READ,
    ("DELETE", "/v1/files/{file_id}"): Access.RUN,
    ("GET", "/v1/files/{file_id}/content"): Access.READ,
    ("GET", "/v1/limits"): Access.READ,
    ("PUT", "/v1/limits"): Access.ADMIN,
    ("GET", "/v1/usage"): Access.READ,
    ("POST", "/v1/tokens"): Access.ADMIN,
    ("GET", "/v1/tokens"): Access.ADMIN,
    ("DELETE", "/v1/tokens/{token_id}"): Access.ADMIN,
    ("POST", "/v1/webhooks"): Access.ADMIN,
    ("GET", "/v1/webhooks"): Access.ADMIN,
    ("GET", "/v1/webhooks/{webhook_id}"): Access.ADMIN,
    ("PATCH", "/v1/webhooks/{webhook_id}"): Access.ADMIN,
    ("DELETE", "/v1/webhooks/{webhook_id}"): Access.ADMIN,
    ("POST", "/v1/webhooks/{webhook_id}/rotate"): Access.ADMIN,
    ("POST", "/v1/webhooks/{webhook_id}/test"): Access.ADMIN,
    ("GET", "/v1/webhooks/{webhook_id}/deliveries"): Access.ADMIN,
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver"): Access.ADMIN,
}
"""What each route needs; a new route is to be written down here."""


def test_every_route_needs_what_it_should(
    guarded: Api, token: Callable[[Access], str], document: dict[str, Any]
) -> None:
    operations = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert operations == NEEDED.keys()
    bearers = {scope: token(scope) for scope in Access}
    for (method, path), needed in sorted(NEEDED.items()):
        assert _passes(guarded, method, path, None) == (needed is None), (method, path)
        for scope, bearer in bearers.items():
            enough = needed is None or scope.includes(needed)
            assert _passes(guarded, method, path, bearer) == enough, (method, path, scope)


def test_the_description_says_which_routes_need_a_token(document: dict[str, Any]) -> None:
    for (method, path), needed in NEEDED.items():
        assert ("security" in document["paths"][path][method.lower()]) == (needed is not None), (method, path)


_ABSENT = {
    "number": "1", "job_id": "job_0", "file_id": "file_0", "token_id": "tok_0", "webhook_id": "wh_0",
    "delivery_id": "dlv_0",
}  # fmt: skip


def _passes(api: Api, method: str, path: str, bearer: str | None) -> bool:
    """Whether a request for what is not there gets beyond the question of who asks."""
    target = re.sub(r"\{(\w+)\}", lambda found: _ABSENT.get(found[1], "nothing"), path)
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    raw = urllib3.request(method, api.url + target, headers=headers, preload_content=False, timeout=10, retries=False)
    try:
        if raw.status in (401, 403):
            return json.loads(raw.read())["code"] not in ("unauthorized", "forbidden")
        return True
    finally:
        raw.close()


OWN = [
    "localhost", "LOCALHOST:8642", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8642", "192.168.0.7:8642", "box.lan:1",
]  # fmt: skip
STRANGE = [
    "evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8642", "evil.example:127", "", "2130706433",
    "localhost@evil.example", "[::1].evil.example", "notbox.lan", "box.lan.evil.example", "127.1",
]  # fmt: skip


@pytest.fixture
def named(context: Context, hub: Hub, document: dict[str, Any]) -> Any:
    """The API of a server that is also called ``box.lan``, and may be called by the pages of one origin."""
    origins = frozenset({"https://app.example"})
    with served(create_app(context, hub, hosts=frozenset({"box.lan"}), origins=origins)) as url:
        yield Api(url, document)


def test_names_of_its_own_are_answered(named: Api) -> None:
    answered = {host: named.get("/v1/jobs", headers={"Host": host}).status for host in OWN}
    assert answered == dict.fromkeys(OWN, 200)


@pytest.mark.parametrize("path", ["/v1/jobs", "/healthz", "/nowhere"])
def test_foreign_names_are_refused(named: Api, path: str) -> None:
    for host in STRANGE:
        refused = named.get(path, headers={"Host": host})
        assert refused.status == 421, host
        assert refused.code == "host_refused"


def test_a_name_is_foreign_until_it_is_allowed(api: Api) -> None:
    refused = api.get("/v1/jobs", headers={"Host": "box.lan"})
    assert refused.code == "host_refused"
    assert "--allow-host" in refused.json["hint"]


FOREIGN = ["https://evil.example", "http://localhost:1", "http://127.0.0.1", "null", "", "file://", "https://localhost"]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_pages_of_another_origin_are_refused(named: Api, method: str) -> None:
    for origin in FOREIGN:
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        refused = named.request(method, "/v1/jobs", headers=asked)
        assert refused.status == 403, origin
        assert refused.code == "origin_refused"
        assert "access-control-allow-origin" not in refused.headers


def test_its_own_pages_are_answered(api: Api) -> None:
    assert api.get("/v1/jobs", headers={"Origin": api.url}).status == 200
    port = api.url.rpartition(":")[2]
    host = {"Host": f"LocalHost:{port}", "Origin": f"http://localhost:{port}"}
    assert api.get("/v1/jobs", headers=host).status == 200


def test_cors_is_off_unless_named(api: Api) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    assert api.request("OPTIONS", "/v1/jobs", headers=asked).code == "origin_refused"
    assert "access-control-allow-origin" not in api.get("/v1/jobs", headers={"Origin": api.url}).headers


def test_a_named_origin_may_ask_first(named: Api) -> None:
    wanted = "authorization,content-type,idempotency-key,if-match,last-event-id"
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": wanted,
    }
    answer = named.request("OPTIONS", "/v1/jobs", headers=asked)
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
    assert "PATCH" in answer.headers["Access-Control-Allow-Methods"]
    assert set(wanted.split(",")) <= {
        name.strip().lower() for name in answer.headers["Access-Control-Allow-Headers"].split(",")
    }
    assert "access-control-allow-credentials" not in answer.headers


def test_a_named_origin_sees_answers_and_errors(named: Api) -> None:
    origin = {"Origin": "https://app.example"}
    for answer in (named.get("/v1/jobs", headers=origin), named.get("/v1/jobs/job_0", headers=origin)):
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        exposed = answer.headers["Access-Control-Expose-Headers"].lower()
        assert all(name in exposed for name in ("etag", "location", "idempotent-replayed"))
