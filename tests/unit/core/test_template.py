from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.errors import UsageError
from rowmill.core.template import Template

literals = st.text(st.characters(exclude_characters="{}"))
column_names = literals.map(str.strip).filter(bool)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("as it is", "as it is"),
        (None, ""),
        (5, "5"),
        (0.5, "0.5"),
        (True, "true"),
        (["a", 1], '["a",1]'),
        ({"é": None}, '{"é":null}'),
    ],
)
def test_values_are_written_as_text_or_compact_json(value: object, written: str) -> None:
    assert Template("<{{x}}>").render({"x": value}) == f"<{written}>"


def test_names_may_hold_spaces_and_signs_and_stand_apart_from_the_braces() -> None:
    template = Template("{{ Unit price (€): net }} and {{Unit price (€): net}}, {{b}}")
    assert template.variables == ("Unit price (€): net", "b")
    assert template.render({"Unit price (€): net": "3", "b": "4"}) == "3 and 3, 4"


def test_a_missing_value_is_nothing_and_a_value_is_never_read_as_a_template() -> None:
    assert Template("{{a}}{{b}}").render({"a": "{{b}}"}) == "{{b}}"


def test_single_braces_are_text() -> None:
    assert Template('Answer as {"a": {"b": 1}} for {{x}}').render({"x": "y"}) == 'Answer as {"a": {"b": 1}} for y'


@pytest.mark.parametrize("text", ["a\n{{b", "{{", "{{a}", "{{}}", "{{  }}", "{{{a}}", "{{a{b}}"])
def test_braces_that_hold_no_name_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"Write \{\{Column\}\}"):
        Template(text)


def test_an_unclosed_variable_is_shown_with_its_line() -> None:
    with pytest.raises(UsageError, match=r"\('\{\{Review', line 3\)"):
        Template("one\ntwo {{x}}\nthree {{Review")


def test_an_unknown_column_is_refused_with_the_columns_there_are() -> None:
    Template("{{Review}}").check(["Stars", "Review"])
    with pytest.raises(UsageError) as caught:
        Template("{{Reviw}}").check(["Stars", "Review"])
    assert str(caught.value) == (
        "The prompt names {{Reviw}}, but there is no such column. "
        "Did you mean 'Review'? The columns are: 'Stars', 'Review'."
    )


@given(st.lists(st.tuples(literals, column_names)), literals, st.dictionaries(column_names, st.text()))
def test_rendering_is_the_text_with_its_values(parts: list[tuple[str, str]], tail: str, values: dict[str, Any]) -> None:
    text = "".join(f"{literal}{{{{{name}}}}}" for literal, name in parts) + tail
    filled = "".join(literal + values.get(name, "") for literal, name in parts) + tail
    assert Template(text).render(values) == filled


@given(st.text(st.sampled_from("{} ab\n")))
def test_any_text_is_a_template_or_refused(text: str) -> None:
    try:
        template = Template(text)
    except UsageError:
        assert "{{" in text
        return
    assert "{{" not in text or template.variables
