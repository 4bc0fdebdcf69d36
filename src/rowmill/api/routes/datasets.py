"""Datasets: made, listed, shown with their records, deleted."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from rowmill.api import lookup
from rowmill.api.inputs import DatasetInput
from rowmill.core.errors import NotFound
from rowmill.engine.inputs import result_columns
from rowmill.http import etags
from rowmill.http.access import ADMIN, READ, RUN
from rowmill.http.answers import Answer
from rowmill.http.context import ContextDep, StoreDep
from rowmill.http.etags import IfMatch, etag_of
from rowmill.http.idempotency import Made, OnceDep
from rowmill.http.paging import Cursor, Limit, Pager
from rowmill.http.problems import responses
from rowmill.jobs import retention
from rowmill.jobs.datasets import check_dataset_name, profile, record, records_page
from rowmill.jobs.view import dataset_view, record_view
from rowmill.ledger.store import Store
from rowmill.shapes import datasets as shapes
from rowmill.shapes.base import Json, Page
from rowmill.tables.dataset import Dataset
from rowmill.tables.schema import Field, declared_schema

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])

_LAST = 1 << 53


def _the_dataset(
    store: StoreDep, dataset: Annotated[str, Path(min_length=1, max_length=1000, description="Its id or its name.")]
) -> Dataset:
    return lookup.the_dataset(store, dataset)


DatasetDep = Annotated[Dataset, Depends(_the_dataset)]


@router.post(
    "",
    status_code=201,
    response_model=shapes.Dataset,
    dependencies=[RUN],
    responses=responses("conflict", "usage", "idempotency_key_reused", "too_large"),
)
def create_dataset(context: ContextDep, once: OnceDep, asked: DatasetInput) -> Response:
    """Makes an empty dataset; imports fill it."""
    check_dataset_name(asked.name)
    fields = [Field(each.name, each.type, each.required, tuple(each.values)) for each in asked.fields]
    schema = declared_schema(fields, asked.key)

    def make(id_: str) -> Made:
        store = context.store
        made = store.datasets.named(id_) or store.datasets.make(id_, asked.name, schema, store.clock())
        return Made(_shown(store, made), headers={"Location": f"/v1/datasets/{made.id}", "ETag": _etag(made)})

    return once("ds", asked, make)


@router.get("", response_model=Page[shapes.Dataset], dependencies=[READ], responses=responses("invalid_cursor"))
def list_datasets(store: StoreDep, limit: Limit = 50, cursor: Cursor = None) -> Answer:
    """Datasets by name, but for those that hold the input of one job."""
    pager = Pager("datasets")
    found = store.datasets.page(pager.after(cursor, ""), limit + 1)
    return Answer(pager.page(found, limit, lambda dataset: dataset.name, dataset_view))


@router.get("/{dataset}", response_model=shapes.Dataset, dependencies=[READ], responses=responses("not_found"))
def get_dataset(store: StoreDep, dataset: DatasetDep) -> Answer:
    """A dataset and its columns. Its ETag changes with its revision."""
    return Answer(_shown(store, dataset), headers={"ETag": _etag(dataset)})


@router.delete(
    "/{dataset}",
    status_code=204,
    response_class=Response,
    dependencies=[ADMIN],
    responses=responses("not_found", "busy", "precondition_failed"),
)
def delete_dataset(
    store: StoreDep,
    dataset: DatasetDep,
    with_jobs: Annotated[bool, Query(description="Delete its enrichments, too, with their results.")] = False,
    if_match: IfMatch = None,
) -> None:
    """Deletes a dataset with its imports and exports, and the downloads that these have made."""
    etags.check(if_match, _etag(dataset))
    retention.delete_dataset(store, dataset, with_jobs=with_jobs)


@router.get(
    "/{dataset}/records",
    response_model=Page[shapes.Record],
    dependencies=[READ],
    responses=responses("not_found", "invalid_cursor", "usage"),
)
def list_records(
    store: StoreDep,
    dataset: DatasetDep,
    where: Annotated[
        str | None,
        Query(
            min_length=1,
            max_length=4000,
            description="Only records for which this holds. A page may then have fewer than `limit` although more "
            "follow.",
            examples=["stars >= 4 and text contains 'refund'"],
        ),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Answer:
    """Records by number as they stand, with the columns that jobs have added."""
    pager = Pager("records", dataset.id, where)
    page = records_page(store, dataset, where, pager.after(cursor, 0), limit)
    return Answer(pager.part(page.records, page.after, lambda each: shapes.Record(*each)))


@router.get(
    "/{dataset}/records/{number}",
    response_model=shapes.RecordHistory,
    dependencies=[READ],
    responses=responses("not_found"),
)
def get_record(
    store: StoreDep,
    dataset: DatasetDep,
    number: Annotated[int, Path(ge=1, le=_LAST, description="The record's number.")],
) -> Answer:
    """A record with its versions and what jobs have found for it."""
    found = record(store, dataset, number)
    if found is None:
        raise NotFound(f"{dataset.name} has no record {number}.", f"Its records are numbered 1 to {dataset.rows}.")
    return Answer(record_view(store, dataset, found))


@router.get("/{dataset}/profile", response_model=Json, dependencies=[READ], responses=responses("not_found"))
def get_profile(store: StoreDep, dataset: DatasetDep) -> Answer:
    """What the columns hold. The first time after an import every record is read for it."""
    return Answer(profile(store, dataset))


def _shown(store: Store, dataset: Dataset) -> shapes.Dataset:
    return dataset_view(dataset, result_columns(store, dataset))


def _etag(dataset: Dataset) -> str:
    return etag_of(dataset.id, dataset.name, dataset.revision)
