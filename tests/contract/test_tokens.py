from rowmill.core.access import Access
from rowmill.ledger.store import Store
from rowmill.tokens.store import Token, Tokens

from .bench import NOW


def token(id_: str, name: str = "ci", scope: Access = Access.RUN) -> Token:
    return Token(id_, name, scope, NOW, None)


def test_a_token_is_found_by_its_hash_in_every_process_until_it_is_dropped(store: Store, other: Store) -> None:
    assert not Tokens(store.database).any()
    Tokens(store.database).add(token("tok_1"), "hash")
    assert Tokens(other.database).with_hash("hash") == token("tok_1")
    assert Tokens(other.database).with_hash("another") is None
    assert Tokens(other.database).any()
    assert Tokens(other.database).drop("tok_1")
    assert Tokens(store.database).with_hash("hash") is None
    assert not Tokens(store.database).any()
    assert not Tokens(store.database).drop("tok_1")


def test_a_token_of_the_same_id_takes_the_place_of_the_first(store: Store) -> None:
    Tokens(store.database).add(token("tok_1"), "first")
    Tokens(store.database).used("tok_1", NOW)
    Tokens(store.database).add(token("tok_1", "cd", Access.READ), "second")
    assert Tokens(store.database).with_hash("first") is None
    assert Tokens(store.database).with_hash("second") == token("tok_1", "cd", Access.READ)


def test_its_last_use_is_kept(store: Store, other: Store) -> None:
    Tokens(store.database).add(token("tok_1"), "hash")
    Tokens(store.database).used("tok_1", NOW + 5)
    found = Tokens(other.database).with_hash("hash")
    assert found
    assert found.used_at == NOW + 5


def test_tokens_come_page_by_page(store: Store) -> None:
    for number in range(5):
        Tokens(store.database).add(token(f"tok_{number}"), f"hash {number}")
    first = Tokens(store.database).page(limit=2)
    rest = Tokens(store.database).page(first[-1].id)
    assert [each.id for each in first + rest] == [f"tok_{number}" for number in range(5)]


def test_a_token_is_called_by_its_id_before_a_name_or_the_beginning_of_an_id(store: Store) -> None:
    for id_, name in (("tok_a1", "ci"), ("tok_a2", "ci"), ("tok_a21", "tok_a1"), ("tok_b_", "50%")):
        Tokens(store.database).add(token(id_, name), f"hash of {id_}")

    def called(name: str) -> list[str]:
        return [each.id for each in Tokens(store.database).called(name)]

    assert called("tok_a1") == ["tok_a1"]
    assert called("ci") == ["tok_a1", "tok_a2"]
    assert called("tok_b") == ["tok_b_"]
    assert called("50%") == ["tok_b_"]
    assert called("5_%") == called("tok_%") == called("nobody") == []
