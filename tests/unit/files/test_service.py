from pathlib import Path

from rowmill.core.job import Job
from rowmill.files.service import Upload, path_of, prune_files, sweep_unfinished
from rowmill.jobs.retention import prune
from rowmill.ledger.files import StoredFile
from rowmill.ledger.store import Store
from tests.support.transfers import export, load, named, work


def upload(store: Store, id_: str, content: bytes = b"a\n1\n") -> StoredFile:
    taken = Upload(store)
    taken.write(content)
    taken.finish()
    file = taken.keep(id_, "a.csv")
    taken.close()
    return file


def download(store: Store, engine: str, path: Path) -> Job:
    """The completed export of an import of ``path``."""
    load(store, engine, path)
    return work(store, engine, export(store, named(store, "reviews"), None).job)


def left(store: Store) -> list[str]:
    return sorted(path.name for path in store.uploads.iterdir())


def test_an_upload_that_is_not_kept_leaves_nothing(store: Store) -> None:
    taken = Upload(store)
    taken.write(b"half")
    assert len(left(store)) == 1
    taken.close()
    assert left(store) == []


def test_pruning_removes_old_uploads_and_says_how_much_was_freed(store: Store) -> None:
    old = upload(store, "file_old", b"x" * 1_000_000)
    store.clock = lambda: old.created_at + 3600
    upload(store, "file_new")
    assert prune(store, None).files == []
    pruned = prune(store, 1800)
    assert pruned.files == ["file_old"]
    assert pruned.bytes >= 1_000_000
    assert left(store) == ["file_new"]


def test_pruning_leaves_downloads_to_their_jobs(store: Store, engine: str, reviews: Path) -> None:
    job = download(store, engine, reviews)
    assert job.file
    assert path_of(store, job.file).read_bytes() == reviews.read_bytes()
    assert prune_files(store, store.clock() + 1) == []
    assert left(store) == [job.file]
    store.clock = lambda: (job.finished_at or 0) + 10
    assert job.id in prune(store, 5).jobs
    assert left(store) == []


def test_the_part_of_an_export_that_goes_on_is_not_swept(store: Store, engine: str, reviews: Path) -> None:
    load(store, engine, reviews)
    job = export(store, named(store, "reviews"), None).job
    part = store.uploads / f".{job.id}.part"
    part.write_bytes(b"half")
    sweep_unfinished(store)
    assert part.exists()
    store.control.cancel(job.pk, store.clock())
    sweep_unfinished(store)
    assert left(store) == []
