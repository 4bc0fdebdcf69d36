"""Through the API nothing of the server is run, read or written that nobody allowed by name. Each attempt is refused
with the right code and leaves nothing behind."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rowmill.http.context import Context
from rowmill.http.policy import Policy
from rowmill.http.problems import ApiError
from rowmill.ledger.store import Store
from tests.support.made import completed
from tests.support.serving import Answer, Api

ROWS = [{"review": "fine"}]


@pytest.fixture
def shop(context: Context, tmp_path: Path) -> Path:
    """The one directory that is allowed, with a table in it; another lies beside it."""
    place = tmp_path / "shop"
    place.mkdir()
    (place / "reviews.csv").write_text("id\n1\n")
    (tmp_path / "shop-secret").mkdir()
    (tmp_path / "shop-secret" / "keys.csv").write_text("key\n1\n")
    context.policy = replace(context.policy, paths=(place,))
    return place


def enrich(api: Api, **step: Any) -> Answer:
    return api.post("/v1/jobs", {"type": "enrichment", "rows": ROWS, "steps": [step]})


def check_nothing(store: Store) -> None:
    for table in ("jobs", "datasets", "files", "records"):
        assert store.database.read(f"SELECT count(*) FROM {table}") == [(0,)], table
    for directory in (store.files, store.uploads):
        assert not directory.is_dir() or not list(directory.iterdir())


@pytest.mark.parametrize(
    "function", ["os:system", "builtins:eval", "builtins:exec", "subprocess:run", "rowmill.ledger.opening:open_store"]
)
def test_a_function_that_nobody_allowed_is_not_run(api: Api, store: Store, function: str) -> None:
    refused = enrich(api, processor="python", function=function)
    assert (refused.status, refused.code) == (403, "remote_code")
    assert "--allow-python" in refused.json["hint"]
    check_nothing(store)


@pytest.mark.parametrize(
    "function", ["os.path:basename ", "os.path:basename.__globals__", "os:path.basename", "os.path"]
)
def test_what_is_allowed_is_one_function_to_the_letter(api: Api, context: Context, store: Store, function: str) -> None:
    context.policy = replace(context.policy, python=("os.path:basename",))
    assert enrich(api, processor="python", function=function).code in ("remote_code", "invalid_request")
    check_nothing(store)


@pytest.mark.parametrize("processor", ["Python", "python ", "os:system", "../python"])
def test_a_processor_is_one_that_is_installed(api: Api, store: Store, processor: str) -> None:
    refused = enrich(api, processor=processor, config={"function": "os:system"})
    assert refused.code == "not_found"
    check_nothing(store)


def test_a_job_made_elsewhere_is_no_way_to_its_function(api: Api, store: Store) -> None:
    origin = completed(store)
    refused = api.post("/v1/jobs", {"type": "enrichment", "from_job": origin.id, "only": "failed"})
    assert refused.code == "remote_code"
    assert len(store.browse.jobs()) == 1


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "/etc/passwd\0.csv",
        "../shop-secret/keys.csv",
        "{shop}/../shop-secret/keys.csv",
        "{shop}-secret/keys.csv",
        "{shop}/link.csv",
        "{shop}/linked/keys.csv",
        "{shop}/loop",
        "file:///etc/passwd",
        "file://{shop}/reviews.csv",
        "https://example.com/reviews.csv",
        "-",
        "/dev/stdin",
        "/proc/self/environ",
        "~/.ssh/id_rsa",
        "x" * 4096,
    ],
)
@pytest.mark.parametrize("kind", ["import", "export"])
def test_a_path_outside_what_is_allowed_is_neither_read_nor_written(
    api: Api, store: Store, shop: Path, path: str, kind: str
) -> None:
    (shop / "link.csv").symlink_to(shop.parent / "shop-secret" / "keys.csv")
    (shop / "linked").symlink_to(shop.parent / "shop-secret")
    (shop / "loop").symlink_to(shop / "loop")
    asked = {"type": kind, "path": path.replace("{shop}", str(shop)), "format": "csv"}
    api.post("/v1/datasets", {"name": "products"})
    refused = api.post("/v1/jobs", {**asked, **({"dataset": "products"} if kind == "export" else {})})
    assert (refused.status, refused.code) == (403, "server_file"), refused
    assert "--allow-path" in refused.json["hint"]
    assert store.browse.jobs() == []
    assert (shop.parent / "shop-secret" / "keys.csv").read_text() == "key\n1\n"


def test_a_path_that_is_there_and_one_that_is_not_are_refused_alike(api: Api) -> None:
    answers = [api.post("/v1/jobs", {"type": "import", "path": path}) for path in ("/etc/passwd", "/etc/nothing")]
    assert answers[0].content == answers[1].content


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/",
        "http://metadata.google.internal/computeMetadata/v1/",
        "http://localhost:8642/v1/tokens",
        "s3://other/data/reviews.csv",
        "https://example.com/other/reviews.csv",
        "https://example.com/database",
        "https://example.com/data/../other/reviews.csv",
        "https://example.com/data/%2e%2e/other/reviews.csv",
        "https://example.com/data/%252E%252e/other/reviews.csv",
        "https://example.com/data/..%2fother",
        "https://example.com/data/..%5cother",
        "https://example.com/data/..\\other",
        "https://example.com@169.254.169.254/data/",
        "https://example.com:443@169.254.169.254/data/",
        "https://example.com\\@169.254.169.254/data/",
        "https://example.com:8443/data/reviews.csv",
        "http://example.com/data/reviews.csv",
        "https://example.com.attacker.test/data/",
        " https://example.com/data/reviews.csv",
        "\thttps://example.com/data/reviews.csv",
        "https://example.com/data/reviews.csv\nHost: x",
        "/etc/passwd",
        "https://[example.com/data/",
        "-",
    ],
)
@pytest.mark.parametrize("kind", ["import", "export"])
def test_a_url_outside_what_is_allowed_is_neither_fetched_nor_put(
    api: Api, context: Context, store: Store, url: str, kind: str
) -> None:
    context.policy = replace(context.policy, urls=("https://example.com/data", "s3://bucket/data/"))
    api.post("/v1/datasets", {"name": "products"})
    asked = {"type": kind, "url": url, "format": "csv"}
    refused = api.post("/v1/jobs", {**asked, **({"dataset": "products"} if kind == "export" else {})})
    assert (refused.status, refused.code) == (403, "server_file"), refused
    assert store.browse.jobs() == []


@pytest.mark.parametrize(
    "url", ["https://example.com/data", "https://EXAMPLE.com/data/a.csv?x=../y", "s3://bucket/data/a"]
)
def test_a_url_below_what_is_allowed_is_allowed(url: str) -> None:
    Policy(urls=("https://example.com/data/", "s3://bucket/data")).check_url(url)


@pytest.mark.parametrize("model", ["local//etc/passwd.gguf", "local/../x.gguf", "local/x.GGUF", "local//etc/x.gguf/."])
def test_a_model_is_not_read_from_any_file(api: Api, store: Store, model: str) -> None:
    refused = enrich(api, prompt="{{review}}", model=model)
    assert refused.code == "server_file"
    check_nothing(store)


@pytest.mark.parametrize("field", ["api_key_env", "base_url", "api_key", "provider_config", "processor_path", "path"])
def test_where_a_model_is_and_its_key_are_said_by_connections_only(api: Api, store: Store, field: str) -> None:
    refused = enrich(api, prompt="{{review}}", model="openai/m", **{field: "PATH"})
    assert (refused.status, refused.code) == (422, "invalid_request")
    check_nothing(store)


@pytest.mark.parametrize("value", ["${PATH}", "Bearer ${HOME}", "${OPENAI_API_KEY}", "${PATH", "a${ALLOWED}${PATH}"])
def test_a_header_shows_no_variable_of_the_server(api: Api, context: Context, store: Store, value: str) -> None:
    context.policy = replace(context.policy, variables=("ALLOWED",))
    refused = enrich(api, processor="http", url="https://example.com/", headers={"X-Key": value})
    assert (refused.status, refused.code) == (403, "server_file")
    assert os.environ["PATH"] not in refused.content.decode()
    check_nothing(store)


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/{{review}}",
        "http://[fd00:ec2::254]/latest/",
        "http://[::ffff:169.254.169.254]/",
        "http://127.0.0.1:8642/v1/tokens",
        "http://localhost/",
        "http://10.0.0.1/",
        "http://0.0.0.0/",
    ],
)
def test_private_addresses_are_not_called(api: Api, store: Store, url: str) -> None:
    refused = enrich(api, processor="http", url=url)
    assert (refused.status, refused.code) == (403, "server_file")
    assert enrich(api, processor="http", url=url, allow_private=True).code == "server_file"
    check_nothing(store)


def test_a_private_address_that_is_allowed_must_be_asked_for() -> None:
    policy = Policy(private=True)
    policy.check_address("http://127.0.0.1/", asked=True)
    policy.check_address("https://example.com/", asked=False)
    with pytest.raises(ApiError) as refused:
        policy.check_address("http://[::1]/", asked=False)
    assert refused.value.code == "usage"
    assert "allow_private" in refused.value.hint


def test_whoever_runs_the_server_for_themselves_may_do_all() -> None:
    policy = Policy(trusted=True)
    policy.check_function("os:system")
    policy.check_url("file:///etc/passwd")
    policy.check_address("http://127.0.0.1/", asked=True)
    assert policy.check_path("/etc/passwd") == Path("/etc/passwd")
    assert policy.guard is None
    with pytest.raises(ApiError):
        policy.check_path("\0")
