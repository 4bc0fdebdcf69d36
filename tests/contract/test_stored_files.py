from collections.abc import Callable
from dataclasses import replace

import pytest

from rowmill.core.errors import Busy, NotFound
from rowmill.core.job import JobDraft, Output, Settings
from rowmill.core.status import Action, JobStatus, JobType
from rowmill.core.transfer import ExportSpec, Source
from rowmill.ledger.files import StoredFile
from rowmill.ledger.store import Store
from rowmill.tables.dataset import Target
from rowmill.tables.schema import Schema

FILE = StoredFile("file_a", "reviews.csv", 3, "abc", 100.0)
DRAFT = JobDraft(JobType.IMPORT, "reviews", 0, [], [], Settings(), "identity")


def imported(store: Store, file: str = FILE.id) -> int:
    draft = replace(DRAFT, source=Source("/x", "csv", "reviews.csv", "hash"), file=file)
    return store.control.insert(draft, 1.0, Target("reviews", Schema()))


def exported(store: Store, file: str) -> int:
    dataset = store.datasets.make("ds_1", "reviews", Schema(), 1.0)
    draft = replace(
        DRAFT,
        type=JobType.EXPORT,
        dataset=dataset.pk,
        file=file,
        output=Output("/x", "csv"),
        extract=ExportSpec([]),
        rows=0,
    )
    return store.control.insert(draft, 1.0)


def end(store: Store, job: int) -> None:
    claim = store.ledger.claim(job, store.join(), 1.0)
    assert store.ledger.finish(claim, Action.COMPLETE, 1.0)


def test_a_file_is_found_by_its_id(store: Store) -> None:
    store.stored_files.add(FILE)
    assert store.stored_files.get("file_a") == FILE
    assert store.stored_files.get("file_b") is None


def test_files_are_paged_newest_first_and_those_of_one_moment_by_id(store: Store) -> None:
    files = [replace(FILE, id=f"file_{name}", created_at=at) for name, at in (("a", 1.5), ("b", 3.5), ("c", 1.5))]
    for file in files:
        store.stored_files.add(file)
    assert [file.id for file in store.stored_files.page(float("inf"), "", 2)] == ["file_b", "file_c"]
    assert [file.id for file in store.stored_files.page(1.5, "file_c", 2)] == ["file_a"]


def test_an_upload_is_kept_until_the_job_that_needs_it_has_ended(store: Store) -> None:
    store.stored_files.add(FILE)
    job = imported(store)
    with pytest.raises(Busy):
        store.stored_files.drop(FILE.id)
    assert store.stored_files.drop_unused(1000.0) == []
    store.control.cancel(job, 2.0)
    assert store.stored_files.drop_unused(FILE.created_at) == []
    assert store.stored_files.drop_unused(1000.0) == [FILE.id]
    with pytest.raises(NotFound):
        store.stored_files.drop(FILE.id)


def test_a_job_is_not_made_of_an_upload_that_is_gone(store: Store) -> None:
    with pytest.raises(NotFound):
        imported(store)
    assert store.browse.jobs() == []
    assert store.datasets.named("reviews") is None


def test_an_export_makes_its_download_known_and_takes_it_along(store: Store) -> None:
    job = exported(store, "file_d")
    made = store.stored_files.get("file_d")
    assert made == StoredFile("file_d", "reviews.csv", None, None, 1.0, store.browse.job(job).id)
    store.stored_files.whole("file_d", 7, "def")
    made = store.stored_files.get("file_d")
    assert made is not None
    assert (made.size, made.sha256) == (7, "def")
    with pytest.raises(Busy):
        store.stored_files.drop("file_d")
    end(store, job)
    assert store.browse.job(job).status is JobStatus.COMPLETED
    assert store.stored_files.drop_unused(1000.0) == []
    store.control.delete(job, 2.0)
    assert store.stored_files.get("file_d") is None


def cancelled_at_once(store: Store, job: int) -> None:
    store.control.cancel(job, 2.0)


def cancelled_by_its_engine(store: Store, job: int) -> None:
    claim = store.ledger.claim(job, store.join(), 1.0)
    store.control.cancel(job, 2.0)
    assert store.ledger.finish(claim, Action.CANCEL, 3.0)


def cancelled_as_its_engine_is_dead(store: Store, job: int) -> None:
    claim = store.ledger.claim(job, store.join(), 1.0)
    store.control.cancel(job, 2.0)
    store.presence.deregister(claim.engine)
    store.control.recover(job, 3.0)


@pytest.mark.parametrize("cancel", [cancelled_at_once, cancelled_by_its_engine, cancelled_as_its_engine_is_dead])
def test_a_cancelled_export_has_no_download(store: Store, cancel: Callable[[Store, int], None]) -> None:
    job = exported(store, "file_d")
    cancel(store, job)
    assert store.browse.job(job).status is JobStatus.CANCELLED
    assert store.stored_files.get("file_d") is None


def test_a_cancelled_import_leaves_its_upload(store: Store) -> None:
    store.stored_files.add(FILE)
    cancelled_at_once(store, imported(store))
    assert store.stored_files.get(FILE.id) == FILE


def test_a_dataset_takes_the_downloads_of_its_exports_along(store: Store) -> None:
    end(store, exported(store, "file_d"))
    dataset = store.datasets.named("reviews")
    assert dataset
    store.control.delete_dataset(dataset.pk, 2.0)
    assert store.stored_files.get("file_d") is None
