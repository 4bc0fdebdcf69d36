"""Jobs: made."""

from pathlib import Path
from typing import Any

import pytest

from rowmill.http.context import Context
from rowmill.http.policy import Policy
from rowmill.ledger.store import Store
from rowmill.testing import ModelServer
from rowmill.worker.worker import Worker
from tests.support import asking
from tests.support.made import completed, dataset
from tests.support.serving import Api, ended


def test_a_job_over_inline_rows_is_worked_by_itself(api: Api, models: ModelServer, worker: Worker) -> None:
    made = asking.made(api, steps=[asking.prompt()], start=True)
    assert (made["status"], made["total"], made["type"]) == ("pending", 3, "enrichment")
    done = ended(api, made["id"])
    assert (done["status"], done["succeeded"], done["unprocessed"]) == ("completed", 3, 0)
    assert asking.outputs(api, made["id"]) == [{"result": "ok"}] * 3
    assert models.counts == {"Say fine": 1, "Say bad": 1, "Say good": 1}
    assert models.requests[0].headers["authorization"] == "Bearer sk-for-tests"


def test_the_answer_says_where_the_job_is(api: Api) -> None:
    answer = api.post("/v1/jobs", asking.job())
    found = api.get(answer.headers["Location"])
    assert (found.status, found.headers["ETag"]) == (200, answer.headers["ETag"])
    assert {**found.json, "duration_seconds": 0} == {**answer.json, "duration_seconds": 0}


def test_the_second_step_sees_what_the_first_has_found(api: Api, models: ModelServer, worker: Worker) -> None:
    first = asking.prompt("Mood of {{review}}?", name="mood", output={"mood": {"type": "string"}})
    second = asking.prompt("Answer a {{mood}} review: {{review}}", name="reply", output={"reply": {"type": "string"}})
    made = asking.made(api, steps=[first, second], start=True)
    assert [step["name"] for step in made["steps"]] == ["mood", "reply"]
    assert ended(api, made["id"])["succeeded"] == 3
    assert asking.outputs(api, made["id"]) == [{"mood": "ok", "reply": "ok"}] * 3
    assert models.counts["Answer a ok review: fine"] == 1
    assert models.total == 6


def test_a_step_that_uses_what_no_step_before_it_has_found_is_refused(api: Api) -> None:
    first = {"processor": "http", "url": "https://api.example.com/{{mood}}", "output": {"reply": {}}}
    second = {**asking.HTTP, "output": {"mood": {}}}
    assert "{{mood}}" in asking.refused(api.post("/v1/jobs", asking.job(steps=[first, second])), "usage")
    assert asking.made(api, steps=[second, first])["total"] == 3


def test_two_steps_that_fill_the_same_column_are_refused(api: Api) -> None:
    assert "'result'" in asking.refused(api.post("/v1/jobs", asking.job(steps=[asking.HTTP, asking.HTTP])), "usage")


def test_a_file_beside_the_server_is_not_taken_for_the_dataset(
    api: Api, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = dataset(store, tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("reviews").write_text("secret\nhunter2\n")
    assert asking.made(api, rows=None, dataset="reviews")["dataset"] == id_


def test_a_job_over_a_dataset(api: Api, store: Store, tmp_path: Path) -> None:
    id_ = dataset(store, tmp_path)
    made = asking.made(api, rows=None, dataset="reviews", select="2-3", where="review = 'good'")
    assert (made["dataset"], made["total"]) == (id_, 1)
    assert [row["values"]["review"] for row in api.every(f"/v1/jobs/{made['id']}/rows")] == ["good"]
    assert asking.made(api, rows=None, dataset=id_)["total"] == 3
    assert asking.made(api, rows=None, dataset=id_, keys=["1", "3"])["total"] == 2


def test_a_dataset_that_is_not_there_is_no_path_either(api: Api, tmp_path: Path) -> None:
    (tmp_path / "reviews.csv").write_text("id\n1\n")
    for name in (str(tmp_path / "reviews.csv"), "reviews", "-", "https://example.com/a.csv"):
        asking.refused(api.post("/v1/jobs", asking.job(rows=None, dataset=name)), "not_found")


def test_a_job_over_an_upload(api: Api) -> None:
    sent = api.post("/v1/files?name=reviews.csv", b"review\nfine\nbad\n", headers={"Content-Type": asking.OCTETS})
    made = asking.made(api, rows=None, file=sent.json["id"])
    assert (made["total"], made["name"]) == (2, "reviews.csv")
    assert [row["values"] for row in api.every(f"/v1/jobs/{made['id']}/rows")] == [
        {"review": "fine"},
        {"review": "bad"},
    ]


def test_a_job_over_what_another_left(api: Api, store: Store) -> None:
    origin = completed(store, ["good", None, None])
    made = asking.made(api, rows=None, steps=[asking.HTTP], from_job=origin.id, only="failed")
    assert [row["values"]["review"] for row in api.every(f"/v1/jobs/{made['id']}/rows")] == ["text 2", "text 3"]
    asking.refused(api.post("/v1/jobs", asking.job(rows=None, from_job=origin.id)), "usage")
    asking.refused(api.post("/v1/jobs", asking.job(rows=None, from_job="job_0", only="failed")), "not_found")


def test_what_another_job_did_is_done_again_unless_told_otherwise(
    api: Api, models: ModelServer, worker: Worker
) -> None:
    first = asking.made(api, steps=[asking.prompt()], start=True)
    ended(api, first["id"])
    refused = api.post("/v1/jobs", {"type": "enrichment", "from_job": first["id"], "only": "unprocessed"})
    asking.refused(refused, "usage")  # nothing is left of it
    stopped = asking.made(api, steps=[asking.prompt("Say no {{review}}")])
    again = api.post("/v1/jobs", {"type": "enrichment", "from_job": stopped["id"], "only": "unprocessed"})
    assert ended(api, again.json["id"])["succeeded"] == 3
    assert models.counts["Say no fine"] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"rows": None},
        {"dataset": "reviews"},
        {"steps": []},
        {"select": "4"},
        {"where": "review = 'fine'"},
        {"only": "new"},
        {"keys": ["1"]},
        {"steps": [{**asking.HTTP, "url": "https://api.example.com/{{colour}}"}]},
        {"steps": [{**asking.HTTP, "url": "ftp://api.example.com/"}]},
        {"steps": [{"prompt": "Say {{review}}"}]},
        {"steps": [{"prompt": "Say {{review}}", "model": "test"}]},
        {"steps": [{**asking.HTTP, "output": {"review": {}}}]},
        {"steps": [{**asking.HTTP, "output": {" ": {}}}]},
        {"steps": [{**asking.HTTP, "output": {"a\u0000": {}}}]},
    ],
)
def test_what_cannot_work_is_refused_and_leaves_nothing(api: Api, store: Store, wrong: dict[str, Any]) -> None:
    answer = api.post("/v1/jobs", asking.job(**wrong))
    assert answer.status == 422, answer
    assert str(store.files.parent) not in answer.content.decode()
    assert answer.json["hint"]
    assert api.every("/v1/jobs") == []
    assert store.database.read("SELECT count(*) FROM datasets") == [(0,)]
    assert not store.files.is_dir() or list(store.files.iterdir()) == []


def test_rows_are_taken_as_they_are(api: Api) -> None:
    rows = [
        {"id": 1, "text": 'ä "quoted"\n,;', "deep": {"a": [1, None, True]}},
        {"id": 2.5, "text": "", "deep": None},
        {"id": (1 << 63) - 1, "text": "\u0000", "deep": []},
    ]
    made = asking.made(api, rows=rows, steps=[{"processor": "http", "url": "https://api.example.com/{{id}}"}])
    assert [row["values"] for row in api.every(f"/v1/jobs/{made['id']}/rows")] == rows


@pytest.mark.parametrize(
    "rows", [b'[{"a": 1000000000000000000000000}]', b'[{"a": "\\ud800"}]', b'[{"\\ud800": 1}]', b'[{"a": NaN}]',
             b'[{"a": ' + b"[" * 900 + b"]" * 900 + b"}]"]
)  # fmt: skip
def test_rows_that_no_table_can_hold_are_refused(api: Api, rows: bytes) -> None:
    body = (
        b'{"type": "enrichment", "steps": [{"processor": "http", "url": "https://a.example/"}], "rows": ' + rows + b"}"
    )
    answer = api.post("/v1/jobs", body, headers={"Content-Type": "application/json"})
    assert answer.status == 422, answer
    assert {error["field"] for error in answer.json["errors"]} == {"rows.0"}


@pytest.mark.parametrize("part", ['"name": "?"', '"metadata": {"?": "?"}', '"where": "?"', '"?": 1', '"type": "?"'])
def test_half_a_character_is_refused_wherever_it_stands(api: Api, part: str) -> None:
    body = '{"type": "enrichment", "steps": [], PART}'.replace("PART", part.replace("?", "\\ud800"))
    answer = api.post("/v1/jobs", body.encode(), headers={"Content-Type": "application/json"})
    assert answer.code == "invalid_request"


def test_what_is_no_schema_is_refused_where_it_stands(api: Api) -> None:
    for schema in (
        {"type": 5},
        {"enum": "good"},
        {"pattern": "("},
        {"$ref": "https://example.com/schema.json"},
        "text",
    ):
        answer = api.post("/v1/jobs", asking.job(steps=[{**asking.HTTP, "output": {"mood": schema}}]))
        assert answer.code == "invalid_request"
        assert answer.json["errors"][0]["field"] == "steps.0.output.mood", schema


def test_many_of_anything_is_refused_in_words(api: Api) -> None:
    for wrong in ({"select": "9" * 5000}, {"where": "(" * 5000 + "1" + ")" * 5000}, {"name": "x" * 201}):
        assert api.post("/v1/jobs", asking.job(**wrong)).status == 422, wrong.keys()


def test_metadata_and_name_are_kept_as_they_are(api: Api) -> None:
    made = asking.made(api, name="  Reviews of März ", metadata={"team": "shop", "ticket": "№ 5"})
    assert (made["name"], made["metadata"]) == ("Reviews of März", {"team": "shop", "ticket": "№ 5"})
    assert api.every("/v1/jobs")[0]["metadata"] == made["metadata"]


def test_settings_are_kept(api: Api) -> None:
    given = {"concurrency": 7, "max_attempts": 2, "timeout": 1.5, "rpm": 60, "tpm": 1000}
    made = asking.made(api, **given)
    assert made["settings"] == {**given, "budget_usd": None}
    assert made["concurrency"] == 7


def test_a_budget_needs_a_known_price(api: Api, models: ModelServer) -> None:
    refused = api.post("/v1/jobs", asking.job(steps=[asking.prompt()], budget_usd=1))
    assert "price" in asking.refused(refused, "usage")
    made = asking.made(api, steps=[asking.prompt(price={"input": 0.15, "output": 1})], budget_usd=0.25)
    assert made["settings"]["budget_usd"] == 0.25
    assert made["steps"][0]["price"] == {"input": 0.15, "output": 1.0}


def test_a_function_is_run_only_if_it_is_named(api: Api, context: Context) -> None:
    step = {"processor": "python", "function": "os:system"}
    assert "--allow-python os:system" in api.post("/v1/jobs", asking.job(steps=[step])).json["hint"]
    asking.refused(api.post("/v1/jobs", asking.job(steps=[step])), "remote_code")
    context.policy = Policy(python=("json:dumps",))
    asking.refused(api.post("/v1/jobs", asking.job(steps=[step])), "remote_code")
    assert (
        asking.made(api, steps=[{**step, "function": "json:dumps"}])["steps"][0]["config"]["function"] == "json:dumps"
    )


def test_no_step_hides_a_function_from_the_policy(api: Api) -> None:
    for config in ({"function": "os:system"}, {"function": "os:system", "path": ["/tmp"]}):
        assert api.post("/v1/jobs", asking.job(steps=[{"processor": "python", "config": config}])).status == 422
        answer = api.post("/v1/jobs", asking.job(steps=[{"processor": "prompt", "config": config}]))
        assert answer.status == 422, answer
    assert api.post("/v1/jobs", asking.job(steps=[{"processor": "os:system", "config": {}}])).code == "not_found"


def test_no_key_is_shown_with_a_job(api: Api, models: ModelServer, worker: Worker) -> None:
    made = asking.made(api, steps=[asking.prompt()], start=True)
    ended(api, made["id"])
    shown = api.get(f"/v1/jobs/{made['id']}").content + api.get(f"/v1/jobs/{made['id']}/rows/1").content
    assert b"sk-for-tests" not in shown
