from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.errors import UsageError
from rowmill.core.transfer import ImportBatch, RejectedLine
from rowmill.engine.transfer.importer import REST, Fitter
from rowmill.plugins.contracts import Malformed
from rowmill.tables.schema import Field, Schema

HEADER = ["id", "Name", "Age"]
TYPED = Schema((Field("Age", "integer"), Field("Name", "text", required=True)), "id")


def fit(fitter: Fitter, rows: list[Any], header: list[str] = HEADER, first: int = 1) -> ImportBatch:
    return fitter.fit(header, range(first, first + len(rows)), rows)


def refusals(intake: ImportBatch) -> list[tuple[int, str]]:
    return [(refused.number, refused.code) for refused in intake.refused]


def test_without_a_schema_everything_stays_as_it_was_read() -> None:
    intake = fit(Fitter(Schema(), []), [["007", " a ", "TRUE"], ["1,5", "", None]], first=5)
    assert intake.data == ['["007"," a ","TRUE"]', '["1,5",""]']
    assert (list(intake.numbers), intake.keys, intake.refused) == ([5, 6], [], [])
    assert (intake.columns, intake.covered) == (HEADER, None)


def test_trailing_nulls_are_not_kept_and_others_are() -> None:
    intake = fit(Fitter(Schema(), []), [["1", None, None], [None, None, "3"], [None, None, None], []])
    assert intake.data == ['["1"]', '[null,null,"3"]', "[]", "[]"]


@pytest.mark.parametrize("schema", [Schema(key="id"), TYPED])
def test_each_line_has_its_key(schema: Schema) -> None:
    intake = fit(Fitter(schema, []), [["a", "Ann", "30"], ["b", "Ben", None]])
    assert intake.keys == ["a", "b"]
    assert list(intake.numbers) == [1, 2]


def test_a_key_is_the_text_of_its_value() -> None:
    rows: list[Any] = [[7, "Ann"], [7.5, "Ben"], [True, "Cat"], ["7", "Dan"], [["x"], "Eve"]]
    assert fit(Fitter(Schema(key="id"), []), rows).keys == ["7", "7.5", "true", "7", '["x"]']
    typed = Schema((Field("id", "integer"),), "id")
    assert fit(Fitter(typed, []), [["007"], [" 7 "], ["7.0"]]).keys == ["7", "7", "7"]


@pytest.mark.parametrize("row", [[None, "Ann"], ["", "Ann"], [], [None, None, None]])
@pytest.mark.parametrize("schema", [Schema(key="id"), Schema((Field("Age", "integer"),), "id")])
def test_a_row_without_its_key_is_refused(schema: Schema, row: list[Any]) -> None:
    intake = fit(Fitter(schema, []), [["a", "Ann"], list(row), ["b", "Ben"]])
    (refused,) = intake.refused
    assert (refused.number, refused.code) == (2, "missing_key")
    assert refused.message == "The key column 'id' is empty here."
    assert (list(intake.numbers), intake.keys) == ([1, 3], ["a", "b"])


def test_values_are_coerced_and_misfits_refused_with_what_was_read() -> None:
    intake = fit(Fitter(TYPED, []), [["a", "Ann", " 30 "], ["b", "Ben", "old"], ["c", "", "5"], ["d", "Dan", ""]])
    assert intake.data == ['["a","Ann",30]', '["d","Dan"]']
    assert (list(intake.numbers), intake.keys) == ([1, 4], ["a", "d"])
    assert refusals(intake) == [(2, "not_integer"), (3, "missing")]
    assert intake.refused[0].values == {"id": "b", "Name": "Ben", "Age": "old"}
    assert intake.refused[0].message == "'old' in the column 'Age' is not an integer."


def test_a_refused_row_keeps_its_own_cells_although_coercing_changed_some() -> None:
    schema = Schema((Field("a", "integer"), Field("b", "integer")))
    intake = fit(Fitter(schema, []), [["1", "x"]], ["a", "b"])
    assert intake.refused[0].values == {"a": "1", "b": "x"}


@pytest.mark.parametrize("schema", [Schema(), Schema(key="id"), TYPED])
def test_a_row_that_cannot_be_read_whole_is_refused_with_what_could_be_read(schema: Schema) -> None:
    broken = Malformed(3, "has 4 cells, but the header has 3", "Quote it.", ["b", "Ben", "40"], ["what"])
    intake = fit(Fitter(schema, []), [["a", "Ann", "30"], broken, ["c", "Cat", "5"]])
    values = {"id": "b", "Name": "Ben", "Age": "40", REST: ["what"]}
    assert intake.refused == [RejectedLine(2, "malformed", "Line 3 has 4 cells, but the header has 3.", values)]
    assert list(intake.numbers) == [1, 3]


def test_a_row_of_which_nothing_could_be_read_keeps_at_least_the_reason() -> None:
    intake = fit(Fitter(Schema(), []), [Malformed(3, "is no JSON", "")])
    assert intake.refused[0].values == {REST: ["is no JSON"]}


@pytest.mark.parametrize("rest", [["what"], "what"])
@pytest.mark.parametrize("schema", [Schema(), Schema(key="id"), TYPED])
def test_what_was_no_whole_row_stays_refused_until_its_rest_is_empty(schema: Schema, rest: object) -> None:
    header = [*HEADER, REST]
    intake = fit(Fitter(schema, HEADER), [["b", "Ben", "40", rest], ["c", "Cat", "5", ""], ["d", "Dan", "6"]], header)
    assert refusals(intake) == [(1, "malformed")]
    assert intake.refused[0].values == {"id": "b", "Name": "Ben", "Age": "40", REST: rest}
    assert list(intake.numbers) == [2, 3]
    assert intake.columns == HEADER


def test_headers_match_across_case_and_spelling() -> None:
    fitter = Fitter(Schema((Field("Product Type", "text"), Field("price", "integer")), "productId"), ["Product Type"])
    intake = fit(fitter, [["5", "shirt", "p1"]], ["PRICE", "product_type", "product id"])
    assert intake.columns == ["Product Type", "price", "productId"]
    assert (intake.data, intake.keys) == (['["shirt",5,"p1"]'], ["p1"])


def test_two_headers_that_mean_one_column_are_refused() -> None:
    with pytest.raises(UsageError, match="both mean the column 'Name'"):
        fit(Fitter(Schema(), ["Name"]), [["a", "b"]], ["name", "NAME"])


def test_the_columns_of_a_dataset_keep_their_order_and_new_ones_join_at_the_end() -> None:
    intake = fit(Fitter(Schema(), ["Age", "id"]), [["a", "Ann", "30"]])
    assert (intake.columns, intake.covered, intake.data) == (["Age", "id", "Name"], None, ['["30","a","Ann"]'])


def test_columns_that_the_file_lacks_are_said_not_to_be_covered() -> None:
    intake = fit(Fitter(Schema(key="id"), ["id", "city", "Name"]), [["a", "Ann", "30"], ["b"]])
    assert (intake.columns, intake.covered) == (["id", "city", "Name", "Age"], [0, 2, 3])
    assert intake.data == ['["a",null,"Ann","30"]', '["b"]']


def test_rowmills_own_columns_are_no_part_of_the_table() -> None:
    header = ["_row", "id", "_status", "Name", "_error"]
    intake = fit(Fitter(Schema(key="id"), []), [["7", "a", "failed", "Ann", "missing: …"]], header)
    assert (intake.columns, intake.covered, intake.data, intake.keys) == (["id", "Name"], None, ['["a","Ann"]'], ["a"])


def test_own_columns_stay_with_what_was_refused_so_that_it_can_be_read_again() -> None:
    intake = fit(Fitter(TYPED, []), [["7", "a", "Ann", "old"]], ["_row", *HEADER])
    assert intake.refused[0].values == {"_row": "7", "id": "a", "Name": "Ann", "Age": "old"}


def test_a_header_that_grows_while_it_is_read_is_learnt_again() -> None:
    fitter = Fitter(Schema(key="id"), [])
    header = ["id"]
    assert fit(fitter, [["a"]], header).columns == ["id"]
    header.append("Name")
    intake = fit(fitter, [["b"], ["c", "Cat"]], header)
    assert (intake.columns, intake.data) == (["id", "Name"], ['["b"]', '["c","Cat"]'])


def test_a_required_column_that_the_file_lacks_refuses_every_row() -> None:
    intake = fit(Fitter(TYPED, []), [["a", "30"]], ["id", "Age"])
    assert refusals(intake) == [(1, "missing")]


def test_a_key_that_the_file_lacks_refuses_every_row() -> None:
    assert refusals(fit(Fitter(Schema(key="id"), []), [["Ann"]], ["Name"])) == [(1, "missing_key")]


def test_the_rows_that_are_given_stay_as_they_are_where_their_places_differ() -> None:
    row = ["a", "Ann", "30"]
    fit(Fitter(Schema((Field("Age", "integer"),)), ["Age", "Name", "id"]), [row])
    assert row == ["a", "Ann", "30"]


cells = st.none() | st.text(max_size=5) | st.integers(-9, 9) | st.booleans() | st.lists(st.integers(0, 9), max_size=2)
rows = st.lists(st.lists(cells, max_size=3), max_size=8)


@given(rows, st.booleans())
def test_all_at_once_comes_to_the_same_as_one_by_one(table: list[list[Any]], keyed: bool) -> None:
    schema = Schema(key="id" if keyed else None)
    whole = fit(Fitter(schema, []), [row.copy() for row in table])
    singles = Fitter(schema, [])
    single = [fit(singles, [row.copy()], first=number) for number, row in enumerate(table, 1)]
    assert whole.data == [data for one in single for data in one.data]
    assert whole.keys == [key for one in single for key in one.keys]
    assert list(whole.numbers) == [number for one in single for number in one.numbers]
    assert whole.refused == [refused for one in single for refused in one.refused]
