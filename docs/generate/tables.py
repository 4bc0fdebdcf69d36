"""The tables, each made from the live program."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client.parser import text_string_to_metric_families

from rowmill.http.metrics import Metrics
from rowmill.ledger.opening import open_store


def metrics() -> str:
    """Every metric of Rowmill's own, as ``GET /metrics`` exposes it."""
    with TemporaryDirectory() as home:
        store = open_store(Path(home))
        exposed = Metrics(store)
        exposed.answered("GET", "/healthz", 200, 0.1)
        text = exposed.exposed()[0].decode()
        store.close()
    rows = []
    for family in text_string_to_metric_families(text):
        if family.name.startswith("rowmill_") and not family.name.endswith("_created"):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
            rows.append([f"`{name}`", family.type, ", ".join(f"`{label}`" for label in labels), family.documentation])
    return _table(["metric", "type", "labels", "meaning"], rows)


TABLES: dict[str, Callable[[], str]] = {"metrics": metrics}


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(line)} |\n".replace("|  |", "| |") for line in lines)
