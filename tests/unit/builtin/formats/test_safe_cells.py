import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.builtin.formats.safe_cells import looks_like_formula


@pytest.mark.parametrize("text", ["=1", "+a", "-a", "@x", "\tx", "\rx", "-", "+", "-5 ", "-5\n", "+1+1", "-1,5", "-٥"])
def test_formulas(text: str) -> None:
    assert looks_like_formula(text)


@pytest.mark.parametrize(
    "value", ["", "a", "1=1", " =1", "\n=1", "-5", "+5", "-5.", "-.5", "+1.5e-3", "-1E9", -5, None]
)
def test_what_is_none(value: object) -> None:
    assert not looks_like_formula(value)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers())
def test_a_number_as_python_writes_it_is_none(number: float) -> None:
    assert not looks_like_formula(str(number))
    assert not looks_like_formula(f"{number:+}")
