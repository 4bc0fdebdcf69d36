from collections.abc import Callable
from typing import Any

import pytest

from rowmill.core.access import Access
from tests.support.serving import Api

TOKENS = "/v1/tokens"
RUN = {"name": "ci", "scope": "run"}


def test_a_token_is_shown_once_and_lets_its_bearer_in(guarded: Api) -> None:
    answer = guarded.post(TOKENS, RUN)
    assert answer.status == 201
    made = answer.json
    clear = made.pop("token")
    assert clear.startswith("rm_")
    bearer = guarded.with_token(clear)
    assert bearer.get("/v1/jobs").status == 200
    (shown,) = [each for each in guarded.every(TOKENS) if each["id"] == made["id"]]
    assert shown.pop("used_at")
    assert shown == {name: value for name, value in made.items() if name != "used_at"}
    assert bearer.get(TOKENS).code == "forbidden"
    assert bearer.post(TOKENS, RUN).code == "forbidden"


def test_the_first_token_closes_the_door(api: Api) -> None:
    assert api.get("/v1/jobs").status == 200
    clear = api.post(TOKENS, {"name": "first", "scope": "admin"}).json["token"]
    assert api.get("/v1/jobs").code == "unauthorized"
    assert api.with_token(clear).get("/v1/jobs").status == 200


def test_a_revoked_token_lets_nobody_in(guarded: Api) -> None:
    made = guarded.post(TOKENS, RUN).json
    assert guarded.delete(f"{TOKENS}/{made['id']}").status == 204
    assert guarded.with_token(made["token"]).get("/v1/jobs").code == "unauthorized"
    assert guarded.delete(f"{TOKENS}/{made['id']}").code == "not_found"


def test_the_same_request_again_gives_the_same_token(guarded: Api) -> None:
    first, again = (guarded.post(TOKENS, RUN, headers={"Idempotency-Key": "one"}) for _ in range(2))
    assert first.json == again.json
    assert guarded.with_token(first.json["token"]).get("/v1/jobs").status == 200
    assert len(guarded.every(TOKENS)) == 2


def test_pages_hold_every_token_once(guarded: Api) -> None:
    ids = {guarded.post(TOKENS, RUN).json["id"] for _ in range(4)}
    found = [each["id"] for each in guarded.every(TOKENS, limit=2)]
    assert len(found) == 5
    assert ids < set(found)


@pytest.mark.parametrize("body", [{}, {"name": "ci"}, {"name": "ci", "scope": "root"}, {**RUN, "token": "rm_mine"}])
def test_what_is_no_token_is_refused(api: Api, body: dict[str, Any]) -> None:
    assert api.post(TOKENS, body).code == "invalid_request"
    assert api.every(TOKENS) == []


@pytest.mark.parametrize("scope", [Access.READ, Access.RUN])
def test_only_an_admin_sees_tokens(guarded: Api, token: Callable[[Access], str], scope: Access) -> None:
    assert guarded.with_token(token(scope)).get(TOKENS).code == "forbidden"
