from dataclasses import replace

import orjson
import pytest

from rowmill.core.errors import NotFound, UsageError
from rowmill.ledger.store import Store
from rowmill.webhooks import service as webhooks
from rowmill.webhooks.deliveries import Deliveries
from rowmill.webhooks.delivery import Webhook
from rowmill.webhooks.store import Webhooks

URL = "https://example.com/hooks"


def _all_that_is_kept(store: Store) -> str:
    return str(store.database.read("SELECT * FROM webhooks"))


def test_a_secret_is_kept_sealed_and_shown_once(store: Store) -> None:
    made, secret = webhooks.create(store, "whk_1", URL, ["job.failed"])
    assert webhooks.new_webhook_view(made, secret).secret == secret
    assert secret not in repr(vars(webhooks.webhook_view(Webhooks(store.database).get("whk_1"))))
    assert secret not in _all_that_is_kept(store)
    assert webhooks.signing_secrets(store, made, store.clock()) == [secret]


def test_the_same_webhook_made_again_is_the_one_that_is_there(store: Store) -> None:
    first = webhooks.create(store, "whk_1", URL, ["job.failed"])
    assert webhooks.create(store, "whk_1", URL, ["job.failed"]) == first


def test_a_rotated_secret_signs_beside_the_new_one_for_a_day(store: Store) -> None:
    made, old = webhooks.create(store, "whk_1", URL, [])
    rotated, new = webhooks.rotate(store, made)
    assert new != old
    now = store.clock()
    assert webhooks.signing_secrets(store, rotated, now) == [new, old]
    assert webhooks.signing_secrets(store, rotated, now + webhooks.OLD_SECRET_SECONDS + 1) == [new]
    assert rotated.revision > made.revision


def test_the_secret_of_one_webhook_cannot_pass_for_anothers(store: Store) -> None:
    one, _ = webhooks.create(store, "whk_1", URL, [])
    other, _ = webhooks.create(store, "whk_2", URL, [])
    with pytest.raises(Exception, match="key"):
        webhooks.signing_secrets(store, replace(other, secret=one.secret), store.clock())


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com/hooks",
        "//example.com",
        "ftp://example.com",
        "file:///etc/passwd",
        "http://",
        "http:///path",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://[::1",
        "https://[::zz]/",
        "https://a..example.com",
        "https://%zz/",
        "https://" + "a" * 64 + ".example.com",
    ],
)
def test_what_is_no_web_address_is_refused(store: Store, url: str) -> None:
    with pytest.raises(UsageError, match="must be http"):
        webhooks.create(store, "whk_1", url, [])
    assert Webhooks(store.database).page() == []


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("https://exa mple.com", "space or a control character"),
        ("https://example.com/\nHost: other", "space or a control character"),
        ("https://example.com/" + "x" * 2000, "longer than 2,000 characters"),
    ],
)
def test_an_address_that_nobody_means_is_refused(url: str, fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        webhooks.checked_url(url)


@pytest.mark.parametrize("url", ["https://user@example.com", "https://user:password@example.com", "https://:p@a.com"])
def test_an_address_with_a_password_is_refused(store: Store, url: str) -> None:
    with pytest.raises(UsageError, match="user name or password"):
        webhooks.create(store, "whk_1", url, [])


@pytest.mark.parametrize(
    "url", [URL, "http://127.0.0.1:8080", "https://[2001:db8::1]:8443/a?b=c", "https://bücher.example"]
)
def test_web_addresses_are_taken_as_they_are(url: str) -> None:
    assert webhooks.checked_url(url) == url


def test_an_unknown_event_is_refused_with_what_may_be_meant(store: Store) -> None:
    with pytest.raises(UsageError, match=r"'job\.complete'") as refused:
        webhooks.create(store, "whk_1", URL, ["job.failed", "job.complete"])
    assert "job.completed" in refused.value.hint


def test_an_event_counts_once() -> None:
    assert webhooks.checked_events(["job.failed", "job.created", "job.failed"]) == ["job.failed", "job.created"]


def test_what_is_not_given_stays(store: Store) -> None:
    made, _ = webhooks.create(store, "whk_1", URL, ["job.failed"])
    changed = webhooks.change(store, made, active=False)
    assert changed == replace(made, active=False, revision=made.revision + 1)
    assert changed
    again = webhooks.change(store, changed, url="http://example.com", events=[])
    assert again == replace(changed, url="http://example.com", events=[], revision=changed.revision + 1)
    with pytest.raises(UsageError):
        webhooks.change(store, made, url="nowhere")


def test_a_webhook_that_somebody_else_has_changed_is_left_as_it_is(store: Store) -> None:
    made, _ = webhooks.create(store, "whk_1", URL, ["job.failed"])
    changed = webhooks.change(store, made, events=[])
    assert webhooks.change(store, made, active=False) is None
    assert not webhooks.delete(store, made, made.revision)
    assert Webhooks(store.database).get("whk_1") == changed


@pytest.fixture
def tried(store: Store) -> Webhook:
    """A webhook to which a test is on its way."""
    made, _ = webhooks.create(store, "whk_1", URL, [])
    webhooks.send_test(store, made, "msg_1")
    return made


def test_a_test_is_due_at_once_and_made_once(store: Store, tried: Webhook) -> None:
    assert webhooks.send_test(store, tried, "msg_1") == Deliveries(store.database).get("whk_1", "msg_1")
    assert len(Deliveries(store.database).page("whk_1")) == 1
    ((delivery, _),) = Deliveries(store.database).due("eng_1", store.clock(), 10, 60.0)
    assert orjson.loads(delivery.payload)["type"] == "webhook.test"


def test_a_delivery_shows_what_was_sent(store: Store, tried: Webhook) -> None:
    shown = webhooks.delivery_view(store, Deliveries(store.database).get("whk_1", "msg_1"))
    assert shown.payload["data"] == {"webhook": tried.id}
    assert (shown.id, shown.type, shown.status, shown.attempts) == ("msg_1", "webhook.test", "pending", [])


def test_a_deleted_webhook_leaves_no_delivery(store: Store, tried: Webhook) -> None:
    assert webhooks.delete(store, tried)
    assert store.database.read("SELECT * FROM deliveries") == []
    with pytest.raises(NotFound):
        Webhooks(store.database).get("whk_1")
    with pytest.raises(NotFound):
        webhooks.rotate(store, tried)
    with pytest.raises(NotFound):
        webhooks.send_test(store, tried, "msg_2")
