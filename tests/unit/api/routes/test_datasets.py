"""Datasets and their records over real HTTP."""

from pathlib import Path
from typing import Any

import pytest

from rowmill.jobs import datasets
from rowmill.ledger.store import Store
from tests.support.serving import Api
from tests.support.transfers import load
from tests.support.work import find
from tests.support.work import make as enrich

PRODUCTS = {
    "name": "products",
    "key": "sku",
    "fields": [
        {"name": "price", "type": "number", "required": True},
        {"name": "size", "type": "enum", "values": ["S", "M"]},
    ],
}


@pytest.fixture
def reviews(store: Store, engine: str, tmp_path: Path) -> str:
    """A dataset of four records."""
    path = tmp_path / "reviews.csv"
    path.write_text("id,Review\n1,fine\n2,bad\n3,good\n4,awful\n")
    load(store, engine, path, key="id")
    return "reviews"


def test_a_dataset_is_made_empty_and_stays(api: Api, store: Store) -> None:
    made = api.post("/v1/datasets", PRODUCTS)
    assert made.status == 201
    store.purge()
    got = api.get("/v1/datasets/products")
    assert got.json == made.json
    assert (got.json["rows"], got.json["columns"], got.json["key"], got.json["result_columns"]) == (0, [], "sku", [])
    assert [field["name"] for field in got.json["fields"]] == ["price", "size"]
    assert got.headers["ETag"] == made.headers["ETag"]
    assert api.get(made.headers["Location"]).json == made.json


def test_a_dataset_that_was_made_takes_an_import_by_its_schema(
    api: Api, store: Store, engine: str, tmp_path: Path
) -> None:
    api.post("/v1/datasets", PRODUCTS)
    path = tmp_path / "products.csv"
    path.write_text("sku,price,size\n1,2.5,S\n2,,M\n")
    job = load(store, engine, path, key="sku")
    assert (job.counts.succeeded, job.counts.failed) == (1, 1)
    assert api.get("/v1/datasets/products/records").json["data"] == [
        {"record": 1, "values": {"sku": "1", "price": 2.5, "size": "S"}}
    ]


def test_a_name_that_is_taken_is_refused(api: Api) -> None:
    api.post("/v1/datasets", PRODUCTS)
    assert api.post("/v1/datasets", {"name": "products"}).code == "conflict"


def test_a_dataset_is_made_once_under_one_key(api: Api) -> None:
    made = [api.post("/v1/datasets", PRODUCTS, headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert made[0].json == made[1].json


@pytest.mark.parametrize("name", ["last", "job_1", "ds_1", "a/b", "-x"])
def test_a_name_that_means_something_else_is_refused(api: Api, name: str) -> None:
    assert api.post("/v1/datasets", {"name": name}).code == "usage"


@pytest.mark.parametrize("field", [{"name": "a", "type": "enum"}, {"name": "a", "type": "text", "values": ["x"]}])
def test_a_field_without_proper_values_is_refused(api: Api, field: dict[str, Any]) -> None:
    assert api.post("/v1/datasets", {"name": "x", "fields": [field]}).code == "usage"


def test_datasets_are_listed_by_name(api: Api) -> None:
    names = ["größe", "a", "B", "ü" * 200, "c d"]
    for name in names:
        assert api.post("/v1/datasets", {"name": name}).status == 201
    assert [each["name"] for each in api.every("/v1/datasets", limit=1)] == sorted(names)


def test_a_dataset_is_deleted_with_its_imports_if_it_is_still_the_same(
    api: Api, store: Store, engine: str, reviews: str, tmp_path: Path
) -> None:
    etag = api.get(f"/v1/datasets/{reviews}").headers["ETag"]
    (tmp_path / "reviews.csv").write_text("id,Review\n5,new\n")
    load(store, engine, tmp_path / "reviews.csv", key="id")
    assert api.delete(f"/v1/datasets/{reviews}", headers={"If-Match": etag}).code == "precondition_failed"
    etag = api.get(f"/v1/datasets/{reviews}").headers["ETag"]
    assert api.delete(f"/v1/datasets/{reviews}", headers={"If-Match": etag}).status == 204
    assert api.get(f"/v1/datasets/{reviews}").code == "not_found"
    assert api.get("/v1/jobs").json["data"] == []


def test_a_dataset_that_an_enrichment_needs_goes_with_its_jobs_only(
    api: Api, store: Store, engine: str, reviews: str
) -> None:
    job = enrich(store, engine, Path(reviews))
    find(store, engine, job)
    assert api.delete(f"/v1/datasets/{reviews}").code == "busy"
    assert api.delete(f"/v1/datasets/{reviews}", with_jobs=True).status == 204


def test_records_come_page_by_page_with_what_jobs_have_found(api: Api, store: Store, engine: str, reviews: str) -> None:
    find(store, engine, enrich(store, engine, Path(reviews)), 2)
    assert api.get(f"/v1/datasets/{reviews}").json["result_columns"] == ["mood"]
    records = api.every(f"/v1/datasets/{reviews}/records", limit=3)
    assert [each["record"] for each in records] == [1, 2, 3, 4]
    assert records[0]["values"] == {"id": "1", "Review": "fine", "mood": "good"}
    assert records[3]["values"] == {"id": "4", "Review": "awful", "mood": None}


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_records_can_be_chosen_by_a_condition(api: Api, reviews: str, limit: int) -> None:
    found = api.every(f"/v1/datasets/{reviews}/records", where="Review != bad and id < 4", limit=limit)
    assert [each["record"] for each in found] == [1, 3]


def test_a_condition_that_few_fulfil_gives_a_short_page_and_goes_on(
    api: Api, reviews: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "_PAGE", 2)
    monkeypatch.setattr(datasets, "_MOST_EXAMINED", 2)
    first = api.get(f"/v1/datasets/{reviews}/records", where="id = 4").json
    assert (first["data"], first["has_more"]) == ([], True)
    found = api.every(f"/v1/datasets/{reviews}/records", where="id = 4")
    assert [each["record"] for each in found] == [4]


def test_a_condition_that_makes_no_sense_is_refused(api: Api, reviews: str) -> None:
    assert api.get(f"/v1/datasets/{reviews}/records", where="stars > 3").code == "usage"
    assert api.get(f"/v1/datasets/{reviews}/records", where="(((").code == "usage"


def test_a_cursor_belongs_to_its_condition(api: Api, reviews: str) -> None:
    cursor = api.get(f"/v1/datasets/{reviews}/records", limit=1).json["next_cursor"]
    assert api.get(f"/v1/datasets/{reviews}/records", cursor=cursor, where="id > 0").code == "invalid_cursor"


def test_a_record_is_shown_with_its_versions_and_results(
    api: Api, store: Store, engine: str, reviews: str, tmp_path: Path
) -> None:
    find(store, engine, enrich(store, engine, Path(reviews)), 2)
    (tmp_path / "reviews.csv").write_text("id,Review\n1,better\n")
    load(store, engine, tmp_path / "reviews.csv", key="id")
    got = api.get(f"/v1/datasets/{reviews}/records/1").json
    assert [(each["revision"], each["values"]["Review"]) for each in got["versions"]] == [(1, "fine"), (2, "better")]
    assert [each["output"] for each in got["results"]] == [{"mood": "good"}]
    assert api.get(f"/v1/datasets/{reviews}/records/99").code == "not_found"


def test_a_profile_says_what_the_columns_hold(api: Api, reviews: str) -> None:
    found = api.get(f"/v1/datasets/{reviews}/profile").json
    assert [column["name"] for column in found["columns"]] == ["id", "Review"]
    assert found["duplicate_rows"] == 0


def test_the_input_of_a_job_is_shown_by_its_id_only(api: Api, store: Store, engine: str, tmp_path: Path) -> None:
    path = tmp_path / "input.csv"
    path.write_text("a\n1\n")
    job = enrich(store, engine, path)
    assert api.get(f"/v1/datasets/{job.dataset_id}").json["name"] == "input.csv"
    assert api.get("/v1/datasets/input.csv").code == "not_found"
    assert api.get("/v1/datasets").json["data"] == []
