import asyncio
import csv
import io
import json
from collections import Counter
from itertools import islice
from typing import Any

import pytest

from rowmill.builtin.providers.local import LocalProvider
from rowmill.cli import demo
from rowmill.core.columns import answer_schema, parse_columns
from rowmill.core.template import Template
from rowmill.plugins.contracts import Completion, Request


def reviews() -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(demo.reviews().read_text(encoding="utf-8"), newline="")))


def test_the_reviews_are_as_many_and_as_balanced_as_said() -> None:
    rows = reviews()
    assert [row["id"] for row in rows] == [str(number) for number in range(1, 121)]
    assert Counter(row[demo.LABEL] for row in rows) == {"positive": 60, "negative": 60}
    assert len({row["review"] for row in rows}) == 120


def test_the_file_is_no_easy_csv() -> None:
    texts = [row["review"] for row in reviews()]
    assert any("\n" in text for text in texts)
    assert any('"' in text for text in texts)
    assert any("," in text for text in texts)


def test_the_prompt_names_columns_of_the_file_but_not_the_truth() -> None:
    prompt = Template(demo.PROMPT)
    prompt.check(reviews()[0].keys() - {demo.LABEL})
    assert prompt.variables


@pytest.mark.slow
def test_the_embedded_model_tells_happy_customers_from_unhappy_ones() -> None:
    """It gets 108 of the 120 right; guessing gets half."""
    column = parse_columns(demo.COLUMNS)[0]
    schema = answer_schema({column.name: column.schema})
    prompt = Template(demo.PROMPT)

    async def ask_all(rows: list[dict[str, str]]) -> list[Any]:
        model = LocalProvider("smollm2", {})
        await model.open()
        try:
            return [
                await model.complete(
                    Request(
                        [
                            {"role": "system", "content": demo.SYSTEM},
                            {"role": "user", "content": prompt.render(row)},
                        ],
                        schema,
                    )
                )
                for row in rows
            ]
        finally:
            await model.close()

    rows = list(islice(reviews(), 0, 120, 6))
    answers = asyncio.run(ask_all(rows))
    assert all(isinstance(answer, Completion) for answer in answers)
    right = sum(
        json.loads(answer.text)[column.name] == row[demo.LABEL] for answer, row in zip(answers, rows, strict=True)
    )
    assert right >= 0.75 * len(rows)
