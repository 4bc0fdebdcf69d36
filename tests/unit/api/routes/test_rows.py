import pytest

from rowmill.ledger.store import Store
from rowmill.testing import ChatRequest, ModelServer, Reply
from rowmill.worker.worker import Worker
from tests.support.made import PRICE, begin, completed, make, settle, start
from tests.support.serving import Api, ended


def test_rows_come_by_number_as_they_stand(api: Api, store: Store) -> None:
    job = make(store, 4)
    claim = begin(store, job)
    start(store, claim, 3)
    settle(store, claim, {1: "good", 2: None})
    rows = api.every(f"/v1/jobs/{job.id}/rows", limit=1)
    assert [(row["number"], row["status"]) for row in rows] == [
        (1, "succeeded"), (2, "failed"), (3, "running"), (4, "pending"),
    ]  # fmt: skip
    assert rows[0]["values"] == {"review": "text 1"}
    assert rows[0]["output"] == {"mood": "good"}
    assert rows[1]["error"] == {"code": "bad_request", "message": "It was refused."}
    assert (rows[2]["output"], rows[2]["error"], rows[2]["attempts"]) == (None, None, [])


@pytest.mark.parametrize(
    ("status", "numbers"), [("succeeded", [1]), ("failed", [2]), ("running", [3]), ("pending", [4]), ("skipped", [])]
)
def test_rows_of_one_status(api: Api, store: Store, status: str, numbers: list[int]) -> None:
    job = make(store, 4)
    claim = begin(store, job)
    start(store, claim, 3)
    settle(store, claim, {1: "good", 2: None})
    assert [row["number"] for row in api.every(f"/v1/jobs/{job.id}/rows", status=status, limit=1)] == numbers


def test_a_page_may_begin_anywhere(api: Api, store: Store) -> None:
    path = f"/v1/jobs/{make(store, 9).id}/rows"
    assert [row["number"] for row in api.every(path, after=4, limit=2)] == [5, 6, 7, 8, 9]
    assert api.every(path, after=9) == []
    assert api.every(path, after=1 << 53) == []


def test_the_largest_page_is_full(api: Api, store: Store) -> None:
    path = f"/v1/jobs/{make(store, 1001).id}/rows"
    page = api.get(path, limit=1000).json
    assert (len(page["data"]), page["has_more"]) == (1000, True)
    assert len(api.get(path).json["data"]) == 100


def test_one_row_with_all_its_attempts(api: Api, models: ModelServer, worker: Worker) -> None:
    asked = 0

    def at_the_second_try(request: ChatRequest) -> Reply:
        nonlocal asked
        asked += 1
        return Reply(status=500, headers={"Retry-After-Ms": "1"}) if asked == 1 else Reply("fine", tokens=(11, 3))

    models._scripted = at_the_second_try
    step = {"prompt": "Say {{a}}", "model": "test", "connection": "models", "price": {"input": 1, "output": 2}}
    made = api.post("/v1/jobs", {"type": "enrichment", "rows": [{"a": 1}], "steps": [step]}).json
    assert ended(api, made["id"])["status"] == "completed"
    row = api.get(f"/v1/jobs/{made['id']}/rows/1").json
    assert (row["status"], row["output"]) == ("succeeded", {"result": "fine"})
    first, second = row["attempts"]
    assert (first["attempt"], first["outcome"], first["error"]["code"]) == (1, "put_off", "server_error")
    assert (second["attempt"], second["outcome"], second["error"]) == (2, "succeeded", None)
    assert (second["tokens_in"], second["tokens_out"], second["cost_usd"]) == (11, 3, 0.000017)
    assert len(api.every(f"/v1/jobs/{made['id']}/rows")[0]["attempts"]) == 1


def test_an_attempt_has_all_that_the_provider_reports_of_its_usage(
    api: Api, models: ModelServer, worker: Worker
) -> None:
    reported = {
        "choices": [{"message": {"content": "fine"}, "finish_reason": "stop"}],
        "service_tier": "flex",
        "usage": {
            "prompt_tokens": 11,
            "completion_tokens": 3,
            "prompt_tokens_details": {"cached_tokens": 8},
            "completion_tokens_details": {"reasoning_tokens": 2},
        },
    }
    models._scripted = lambda request: Reply(body=reported)
    step = {"prompt": "Say {{a}}", "model": "test", "connection": "models"}
    made = api.post("/v1/jobs", {"type": "enrichment", "rows": [{"a": 1}], "steps": [step]}).json
    assert ended(api, made["id"])["status"] == "completed"
    (attempt,) = api.get(f"/v1/jobs/{made['id']}/rows/1").json["attempts"]
    assert (attempt["tokens_in"], attempt["tokens_out"]) == (11, 3)
    assert attempt["usage"] == {
        "tokens_in": 11, "tokens_out": 3, "cached": 8, "cache_write": 0, "reasoning": 2, "service_tier": "flex",
        "estimated": False,
    }  # fmt: skip


def test_a_cost_is_told_only_where_the_price_is_known(api: Api, store: Store) -> None:
    unpriced, priced = completed(store), completed(store, price=PRICE)
    assert api.get(f"/v1/jobs/{unpriced.id}/rows/1").json["attempts"][0]["cost_usd"] is None
    assert api.get(f"/v1/jobs/{priced.id}/rows/1").json["attempts"][0]["cost_usd"] == 0.000014


def test_a_row_that_is_not_there(api: Api, store: Store) -> None:
    path = f"/v1/jobs/{make(store, 3).id}/rows"
    assert "has no row 4" in api.get(f"{path}/4").json["detail"]
    assert api.get(f"{path}/4").code == "not_found"
    assert api.get(f"{path}/0").code == "invalid_request"
    assert api.get(f"{path}/{1 << 60}").code == "invalid_request"
    assert api.get(f"{path}/one").code == "invalid_request"
    assert api.get("/v1/jobs/job_0/rows").code == "not_found"
