"""Datasets and files, whichever way a client goes."""

import io
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars
import pytest

from rowmill.client import InvalidRequest, NotFound
from rowmill.core.errors import UsageError

from . import shop

CSV = b"sku,price\nA1,2.5\nB2,4\n"


@pytest.fixture
def name() -> str:
    """That of a dataset which no other test has."""
    return f"products-{uuid4().hex[:8]}"


def test_a_file_goes_up_and_comes_down_unchanged(client: Any, tmp_path: Path) -> None:
    (tmp_path / "up.csv").write_bytes(CSV)
    file = client.files.upload(tmp_path / "up.csv")
    assert (file.name, file.size) == ("up.csv", len(CSV))
    assert client.files.get(file.id) == file
    assert file.id in [each.id for each in client.files.list()]
    assert client.files.download(file.id, tmp_path / "down.csv").read_bytes() == CSV
    client.files.delete(file.id)
    with pytest.raises(NotFound):
        client.files.get(file.id)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".csv") == ["down.csv", "up.csv"]


def test_bytes_and_open_files_go_up_under_a_name(client: Any) -> None:
    assert client.files.upload(CSV, "a.csv").sha256 == client.files.upload(io.BytesIO(CSV), "b.csv").sha256


def test_what_is_not_found_leaves_no_file_behind(client: Any, tmp_path: Path) -> None:
    place = tmp_path / "out"
    place.mkdir()
    with pytest.raises(NotFound):
        client.files.download("file_000000000000", place / "x.csv")
    assert list(place.iterdir()) == []


def test_where_no_file_can_be_is_said(client: Any, tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere" / "x.csv"):
        with pytest.raises(UsageError, match="directory"):
            client.files.download("file_000000000000", place)


def test_a_table_is_imported_read_and_exported(client: Any, name: str, tmp_path: Path) -> None:
    job = client.datasets.import_(CSV, name, key="sku", fields=["price: number"], required=["price"], format="csv")
    ended = job.wait(check=True)
    assert (ended.type, ended.created, ended.updated) == ("import", 2, 0)
    dataset = client.datasets.get(name)
    assert (dataset.rows, dataset.key, dataset.columns) == (2, "sku", ["sku", "price"])
    assert [(field.name, field.type, field.required) for field in dataset.fields] == [("price", "number", True)]
    assert [record.values for record in client.datasets.records(name, where="price > 3")] == [{"sku": "B2", "price": 4}]
    out = client.datasets.export(name, tmp_path / "out.csv", columns={"sku": "article"})
    assert out.read_text().split() == ["article", "A1", "B2"]


def test_records_are_updated_by_their_key(client: Any, name: str) -> None:
    client.datasets.create(name, key="sku", fields=["grade: a | b"])
    client.datasets.import_([{"sku": "A1", "grade": "a"}], name).wait(check=True)
    ended = client.datasets.import_(polars.DataFrame({"sku": ["A1"], "grade": ["b"]}), name).wait(check=True)
    assert (ended.created, ended.updated) == (0, 1)
    history = client.datasets.record(name, 1)
    assert [version.values["grade"] for version in history.versions] == ["a", "b"]


def test_a_job_works_a_dataset_and_its_results_stay_there(client: Any, name: str) -> None:
    client.datasets.import_([{"text": "good"}], name).wait(check=True)
    job = client.jobs.create(dataset=name, function=f"{shop.__name__}:mood", output={"mood": "text"}).wait(check=True)
    assert [row["mood"] for row in job.results()] == ["good"]
    assert client.datasets.get(name).result_columns == ["mood"]
    assert name in [dataset.name for dataset in client.datasets.list()]
    client.datasets.delete(name, with_jobs=True)
    with pytest.raises(NotFound):
        client.datasets.get(name)


def test_an_import_that_is_refused_leaves_no_upload(client: Any, name: str) -> None:
    before = list(client.files.list())
    with pytest.raises(InvalidRequest):
        client.datasets.import_(CSV, name, key="none", format="csv")
    assert list(client.files.list()) == before


def test_a_wrong_field_is_refused_before_anything_is_sent(client: Any, name: str) -> None:
    with pytest.raises(UsageError, match="unknown type"):
        client.datasets.create(name, fields=["price: money"])


def test_a_condition_that_is_none_is_refused_by_the_server(client: Any, name: str) -> None:
    client.datasets.create(name)
    with pytest.raises(InvalidRequest):
        list(client.datasets.records(name, where="price >"))
