"""What the verbs need of every database."""

from collections.abc import Iterator

import pytest

from rowmill.ledger.store import Store

INTO = "INSERT INTO limits (key, requests_at, tokens_at, gate_until)"
READ = "SELECT key, requests_at FROM limits ORDER BY requests_at"


@pytest.mark.parametrize("count", [0, 1, 499, 500, 501, 2600])
def test_many_lines_are_added_whatever_their_number(store: Store, count: int) -> None:
    with store.database.transaction() as tx:
        tx.insert(INTO, ((f"key {number}", float(number), 0.0, 0.0) for number in range(count)))
    assert store.database.read(READ) == [(f"key {number}", float(number)) for number in range(count)]


def test_lines_that_are_there_already_are_treated_as_was_said(store: Store) -> None:
    over = "ON CONFLICT (key) DO UPDATE SET requests_at = excluded.requests_at"
    with store.database.transaction() as tx:
        tx.insert(INTO, [("a", 1.0, 0.0, 0.0), ("b", 2.0, 0.0, 0.0)])
        tx.insert(INTO, [("a", 3.0, 0.0, 0.0), ("c", 4.0, 0.0, 0.0)], over)
    assert store.database.read(READ) == [("b", 2.0), ("a", 3.0), ("c", 4.0)]


def test_what_is_raised_within_a_transaction_undoes_all_of_it(store: Store, other: Store) -> None:
    class Trouble(Exception):
        pass

    def lines() -> Iterator[tuple[object, ...]]:
        yield from ((f"key {number}", 0.0, 0.0, 0.0) for number in range(1000))
        raise Trouble

    with pytest.raises(Trouble), store.database.transaction() as tx:
        tx.insert(INTO, lines())
    assert other.database.read(READ) == []


def test_the_size_grows_with_what_is_stored(store: Store) -> None:
    before = store.maintenance.size()
    with store.database.transaction() as tx:
        tx.insert(INTO, [(f"{number}" * 1000, 0.0, 0.0, 0.0) for number in range(1000)])
    assert store.maintenance.size() - before > 2_000_000


def test_a_database_is_in_use_as_long_as_an_engine_of_any_process_lives(store: Store, other: Store) -> None:
    assert not store.presence.any_alive()
    engine = other.join()
    assert store.presence.any_alive()
    other.leave(engine)
    assert not store.presence.any_alive()
