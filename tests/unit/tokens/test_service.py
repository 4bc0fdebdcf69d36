import re
from functools import partial

import pytest

from rowmill.core.access import Access
from rowmill.core.errors import NotFound, UsageError
from rowmill.ledger.opening import open_store
from rowmill.ledger.store import Store
from rowmill.tokens import service as tokens


def test_a_token_lets_its_bearer_in_with_its_scope(store: Store) -> None:
    made, clear = tokens.create(store, "ci", Access.RUN)
    assert re.fullmatch(r"rm_[A-Za-z0-9_-]{43}", clear)
    found = tokens.authenticate(store, clear)
    assert found == made
    assert found.scope is Access.RUN
    assert tokens.any_active(store)


@pytest.mark.parametrize("clear", ["", "rm_", "rm_" + "A" * 43, "é\udcff"])
def test_anything_else_lets_nobody_in(store: Store, clear: str) -> None:
    tokens.create(store, "ci", Access.RUN)
    assert tokens.authenticate(store, clear) is None


def test_only_the_hash_is_kept(store: Store) -> None:
    _, clear = tokens.create(store, "ci", Access.RUN)
    (line,) = store.database.read("SELECT * FROM tokens")
    assert clear not in map(str, line)
    assert clear[3:] not in "".join(map(str, line))


def test_a_token_that_was_made_anew_under_its_id_is_the_only_one(store: Store) -> None:
    _, first = tokens.create(store, "ci", Access.RUN, "tok_chosen")
    again, second = tokens.create(store, "ci", Access.RUN, "tok_chosen")
    assert tokens.every(store) == [again]
    assert tokens.authenticate(store, first) is None
    assert tokens.authenticate(store, second) == again


def test_a_revoked_token_lets_nobody_in_in_any_process(store: Store) -> None:
    made, clear = tokens.create(store, "ci", Access.RUN)
    other = open_store()
    try:
        assert tokens.revoke(other, "ci") == made
    finally:
        other.close()
    assert tokens.authenticate(store, clear) is None
    assert not tokens.any_active(store)


def test_a_name_that_several_have_revokes_none(store: Store) -> None:
    first, _ = tokens.create(store, "ci", Access.RUN)
    second, _ = tokens.create(store, "ci", Access.READ)
    with pytest.raises(UsageError, match="'ci' means 2 tokens") as refused:
        tokens.revoke(store, "ci")
    assert first.id in refused.value.hint
    tokens.revoke(store, first.id[:-1])
    assert tokens.every(store) == [second]


@pytest.mark.parametrize("name", ["nobody", "", "tok_zzzz"])
def test_a_token_that_is_not_there_cannot_be_revoked(store: Store, name: str) -> None:
    tokens.create(store, "ci", Access.RUN)
    with pytest.raises(NotFound, match="There is no token"):
        tokens.revoke(store, name)


@pytest.mark.parametrize("name", ["", "  ", "a\nb"])
def test_a_token_needs_a_name(store: Store, name: str) -> None:
    with pytest.raises(UsageError, match="has no name"):
        tokens.create(store, name, Access.READ)


def test_its_use_is_noted_once_a_minute(store: Store) -> None:
    _, clear = tokens.create(store, "ci", Access.READ)
    noted = []
    for now in (1000.0, 1059.0, 1060.0, 1119.0, 1500.0):
        store.clock = partial(float, now)
        tokens.authenticate(store, clear)
        noted.append(tokens.every(store)[0].used_at)
    assert noted == [1000.0, 1000.0, 1060.0, 1060.0, 1500.0]


def test_the_view_holds_nothing_that_lets_in(store: Store) -> None:
    made, _ = tokens.create(store, "ci", Access.READ)
    assert vars(tokens.token_view(made)).keys() == {"id", "name", "scope", "created_at", "used_at"}
