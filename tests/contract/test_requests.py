from rowmill.ledger.requests import KeptRequest
from rowmill.ledger.store import Store

from .bench import NOW


def _begin(store: Store, key: str = "key", *, owner: str = "", digest: str = "asked", now: float = NOW) -> KeptRequest:
    return store.requests.begin(owner, key, digest, f"job_of_{digest}", now)


def test_the_first_request_under_a_key_is_kept(store: Store, other: Store) -> None:
    assert _begin(store) == KeptRequest("asked", "job_of_asked", None)
    assert _begin(other, digest="asked again") == KeptRequest("asked", "job_of_asked", None)


def test_its_answer_is_given_to_whoever_asks_again(store: Store, other: Store) -> None:
    _begin(store)
    store.requests.answer("", "key", "the answer")
    assert _begin(other).answer == "the answer"


def test_a_key_belongs_to_its_owner(store: Store) -> None:
    _begin(store)
    assert _begin(store, owner="tok_1", digest="of another").digest == "of another"
    assert _begin(store, "other key", digest="something else").digest == "something else"


def test_a_refused_request_leaves_its_key_free(store: Store) -> None:
    _begin(store)
    store.requests.drop("", "key")
    assert _begin(store, digest="mended").digest == "mended"


def test_an_answered_request_is_not_dropped(store: Store) -> None:
    _begin(store)
    store.requests.answer("", "key", "the answer")
    store.requests.drop("", "key")
    assert _begin(store, digest="other") == KeptRequest("asked", "job_of_asked", "the answer")


def test_what_is_old_is_forgotten(store: Store) -> None:
    _begin(store, "old", now=NOW - 1)
    _begin(store, "young", now=NOW)
    store.requests.forget(NOW)
    assert _begin(store, "old", digest="new").digest == "new"
    assert _begin(store, "young", digest="new").digest == "asked"
