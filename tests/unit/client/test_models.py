"""The client's models against the API's own description: none drifts."""

import dataclasses
from datetime import datetime
from typing import Any, get_args, get_type_hints

import pytest

from rowmill.api.app import create_app
from rowmill.api.live.hub import Hub
from rowmill.client import Job, models
from rowmill.client.building import build
from rowmill.client.errors import ApiError
from rowmill.client.events import Event
from rowmill.http.context import Context
from rowmill.http.metrics import Metrics
from rowmill.ledger.opening import open_store
from rowmill.tokens.service import TokenAuthenticator

OF_SCHEMA: dict[str, type[Any]] = {
    "JobOutput": Job,
    "JobErrorOutput": models.JobError,
    "StepOutput": models.Step,
    "PriceOutput": models.Price,
    "SettingsOutput": models.JobSettings,
    "ExecutionOutput": models.Execution,
    "ExportSpec": models.ExportSpec,
    "ExtractColumn": models.ExtractColumn,
    "SourceOutput": models.Source,
    "DestinationOutput": models.Destination,
    "RowOutput": models.Row,
    "RowErrorOutput": models.RowError,
    "AttemptOutput": models.Attempt,
    "FileOutput": models.File,
    "DatasetOutput": models.Dataset,
    "FieldOutput": models.Field,
    "RecordOutput": models.Record,
    "RecordHistory": models.RecordHistory,
    "VersionOutput": models.Version,
    "ResultOutput": models.Found,
    "ConnectionOutput": models.Connection,
    "ConnectionTested": models.ConnectionTested,
    "TokenOutput": models.Token,
    "TokenWithSecret": models.NewToken,
    "LimitsOutput": models.Limits,
    "UsageOutput": models.Usage,
    "WebhookOutput": models.Webhook,
    "WebhookWithSecret": models.NewWebhook,
    "DeliveryOutput": models.Delivery,
    "DeliveryAttemptOutput": models.DeliveryAttempt,
    "WorkerOutput": models.Worker,
    "JobEvent": Event,
}
_OTHERS = {"Problem", "FieldError", "Health", "GoneJob", "WebhookEvent", "ToldJob", "TriedWebhook"}
"""Of these the client makes no models: errors become exceptions, what is well is not asked for, and webhooks go to
others."""


@pytest.fixture(scope="module")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    store = open_store(tmp_path_factory.mktemp("described"))
    document = create_app(Context(store, "", TokenAuthenticator(store), Metrics(store)), Hub(store)).openapi()
    store.close()
    found: dict[str, Any] = document["components"]["schemas"]
    return found


@pytest.mark.parametrize("name", OF_SCHEMA)
def test_a_model_has_the_fields_of_its_schema_and_their_types(name: str, schemas: dict[str, Any]) -> None:
    model = OF_SCHEMA[name]
    hints = get_type_hints(model)
    described = schemas[name]["properties"]
    own = {"_transport"} | ({"id"} if model is Event else set())
    fields = {field.metadata.get("key", field.name): field.name for field in dataclasses.fields(model)}
    assert fields.keys() - own == described.keys()
    for key, schema in described.items():
        hint = hints[fields[key]]
        assert _is_optional(hint) == _may_be_null(schema), f"{name}.{key}"
        assert (datetime in (hint, *get_args(hint))) == ("date-time" in str(schema)), f"{name}.{key}"


def test_every_object_that_the_api_gives_out_has_its_model(schemas: dict[str, Any]) -> None:
    given = {name for name, schema in schemas.items() if schema.get("type") == "object"}
    inputs = {name for name in given if name.endswith(("Input", "Step", "Change", "Trial")) or "Body_" in name}
    pages = {name for name in given if name.startswith("Page_")}
    assert given - inputs - pages - _OTHERS - {"ExportColumn"} == OF_SCHEMA.keys()


def _is_optional(hint: Any) -> bool:
    return type(None) in get_args(hint)


def _may_be_null(schema: dict[str, Any]) -> bool:
    return any(each.get("type") == "null" for each in schema.get("anyOf", ()))


def test_what_is_not_known_is_left_out_and_moments_are_read() -> None:
    data = {"id": "tok_1", "name": "x", "scope": "odd", "created_at": "2026-02-01T03:04:05.678Z", "used_at": None}
    token = build(models.Token, {**data, "colour": "red"})
    assert (token.scope, token.created_at.isoformat()) == ("odd", "2026-02-01T03:04:05.678000+00:00")


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ApiError, match="'outcome'"):
        build(models.ConnectionTested, {"message": "x"})
