import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.errors import StoreError
from rowmill.tables.hashes import SeenHashes
from rowmill.tables.profile import Profiler

EDGES = [-(2**63), -1, 0, 1, 2**63 - 1]


def test_hashes_are_met_again_within_a_batch_and_in_a_later_one() -> None:
    with SeenHashes() as seen:
        assert seen.add([]) == 0
        assert seen.add([*EDGES, 1, 1]) == 2
        assert seen.add(EDGES) == len(EDGES)
        assert seen.add([2]) == 0


def test_each_begins_empty() -> None:
    with SeenHashes() as first, SeenHashes() as second:
        first.add([1])
        assert second.add([1]) == 0


@given(st.lists(st.lists(st.sampled_from(EDGES) | st.integers(-(2**63), 2**63 - 1))))
def test_every_hash_counts_as_new_once(batches: list[list[int]]) -> None:
    with SeenHashes() as seen:
        again = sum(seen.add(batch) for batch in batches)
    met = [value for batch in batches for value in batch]
    assert again == len(met) - len(set(met))


def test_a_profile_counts_rows_with_it() -> None:
    with SeenHashes() as seen:
        profiler = Profiler(["a", "b"], seen.add)
        for start in range(0, 3000, 1000):
            profiler.add([[str(number % 2500), number % 5] for number in range(start, start + 1000)])
    assert profiler.result()["duplicate_rows"] == 500


def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect
    opened: list[sqlite3.Connection] = []

    def connected(*arguments: object, **options: object) -> sqlite3.Connection:
        opened.append(connect(*arguments, **options))  # type: ignore[call-overload]
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connected)
    with SeenHashes() as seen:
        opened[0].execute("PRAGMA max_page_count = 10")
        with pytest.raises(StoreError, match=r"could not be written: database or disk is full\. Free space"):
            seen.add(list(range(100_000)))
