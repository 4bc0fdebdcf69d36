from pathlib import Path
from typing import Any

import pytest

from rowmill.core.errors import UsageError
from rowmill.jobs.spec import TEXT, PromptStep
from rowmill.jobs.submit.steps import split_model, step_of
from rowmill.ledger.store import Store

MOOD: dict[str, Any] = {"type": "string", "enum": ["good", "bad"]}


def test_a_step_stores_the_absolute_path_of_a_model(store: Store, here: Path) -> None:
    step = step_of(store, PromptStep(prompt="Hi", model="local/models/a.gguf", outputs={"mood": TEXT}))
    assert step.config["model"] == str(here / "models/a.gguf")


def test_a_bare_model_name_is_met_with_the_name_that_was_meant() -> None:
    with pytest.raises(UsageError, match="Did you mean openai/gpt-4o"):
        split_model("gpt-4o")
    assert split_model("openai/org/model") == ("openai", "org/model")
    assert split_model("local/smollm2") == ("local", "smollm2")


@pytest.mark.parametrize(
    ("outputs", "structured"), [({"mood": TEXT}, False), ({"mood": MOOD}, True), ({"a": TEXT, "b": TEXT}, True)]
)
def test_types_ask_for_a_structured_answer(store: Store, outputs: dict[str, Any], structured: bool) -> None:
    step = step_of(store, PromptStep(prompt="Hi", model="openai/gpt-4o-mini", outputs=outputs))
    assert step.config["structured"] is structured
