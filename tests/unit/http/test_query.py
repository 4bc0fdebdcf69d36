import pytest

from tests.support.serving import Api


@pytest.mark.parametrize(
    "query", ["staus=failed", "status=failed&foo=1", "limit=1&limit=2", "status=failed&status=failed"]
)
def test_a_parameter_that_is_unknown_or_given_twice_is_refused(api: Api, query: str) -> None:
    answer = api.request("GET", f"/v1/jobs?{query}")
    assert (answer.status, answer.code) == (422, "invalid_request")


def test_what_was_probably_meant_is_told(api: Api) -> None:
    answer = api.request("GET", "/v1/jobs?staus=failed")
    assert "'staus'" in answer.json["detail"]
    assert "status" in answer.json["hint"]
    assert "none here" in api.request("GET", "/healthz?now").json["hint"]


def test_all_that_a_list_takes_may_be_given_at_once(api: Api) -> None:
    assert api.request("GET", "/v1/jobs?status=failed&type=import&limit=3").status == 200


def test_a_body_that_does_not_say_it_is_json_is_told_what_to_say(api: Api) -> None:
    for said in ("application/x-www-form-urlencoded", "text/plain"):
        answer = api.request("POST", "/v1/jobs", b'{"type": "export"}', headers={"Content-Type": said})
        assert (answer.status, answer.code) == (422, "invalid_request")
        assert answer.json["hint"] == "Send Content-Type: application/json."
