import re

import pytest

from rowmill.core import errors
from rowmill.core.errors import IllegalTransition, RowmillError


def _tree(of: type[RowmillError]) -> list[type[RowmillError]]:
    """Those of this module: other layers may have errors that only they know."""
    own = [child for child in of.__subclasses__() if child.__module__ == errors.__name__]
    return [of, *(found for child in own for found in _tree(child))]


def test_the_tree_in_the_docstring_is_the_tree_with_its_exit_codes() -> None:
    drawn = dict(re.findall(r"[├└]── (\w+) .*exit (\d)", errors.__doc__ or ""))
    made = {error.__name__: str(error.exit_code) for error in _tree(RowmillError)[1:]}
    assert drawn == made


def test_every_kind_of_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in _tree(RowmillError)]
    assert len(set(codes)) == len(codes)


def test_an_error_is_its_sentence_and_what_to_do() -> None:
    error = RowmillError("It broke.", "Mend it.")
    assert (str(error), error.message, error.hint) == ("It broke. Mend it.", "It broke.", "Mend it.")
    assert str(RowmillError("It broke.")) == "It broke."


@pytest.mark.parametrize("action", ["pause", "cancel", "claim"])
def test_a_refused_move_says_what_would_be_needed(action: str) -> None:
    error = IllegalTransition(action, "completed", ["pending", "running"])
    assert re.fullmatch(r"A completed job cannot be \w+\. It must be pending or running\.", str(error))
