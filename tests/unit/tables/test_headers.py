import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.core.errors import UsageError
from rowmill.tables.headers import check_present, match_headers, normal

_WORDS = st.lists(st.text("abcxyz0123456789éßяक", min_size=1), min_size=1)
_NAMES = st.lists(st.text("abAB_ -#", max_size=4), unique=True)


@pytest.mark.parametrize(
    "name", ["Product Type", "product_type", "productType", "PRODUCT-TYPE", "producttype", " Product.Type (*) "]
)
def test_spellings_of_one_name_have_one_normal_form(name: str) -> None:
    assert normal(name) == "producttype"


@given(_WORDS, st.sampled_from(["", " ", "_", "-", ". "]))
def test_a_normal_form_is_stable_under_another_spelling(words: list[str], between: str) -> None:
    plain = normal(" ".join(words))
    assert normal(between.join(words)) == plain
    assert normal(between.join(words).upper()) == plain
    assert normal("".join(word.title() for word in words)) == plain
    assert normal(plain) == plain


def test_accents_are_one_letter_however_they_are_encoded_and_tell_names_apart() -> None:
    assert normal("Caf\u00e9") == normal("Cafe\u0301") != normal("Cafe")
    assert normal("कि") != normal("का")


def test_a_name_without_letters_stands_for_itself() -> None:
    assert (normal(" # "), normal("%")) == ("#", "%")
    assert match_headers(["#", "%"], ["%"]) == ["#", "%"]


def test_names_become_the_known_columns_that_they_mean() -> None:
    known = ["Product Type", "Price", "Stock"]
    assert match_headers(["PRICE", "Colour", "product_type"], known) == ["Price", "Colour", "Product Type"]


def test_what_is_spelled_the_same_goes_before_what_is_like_it() -> None:
    assert match_headers(["PRICE", "Price"], ["Price"]) == ["PRICE", "Price"]
    assert match_headers(["price", "Price"], ["Price", "price"]) == ["price", "Price"]


def test_known_columns_with_one_normal_form_are_not_guessed_between() -> None:
    assert match_headers(["PRICE"], ["Price", "price"]) == ["PRICE"]
    assert match_headers(["PRICE", "price"], ["Price", "price"]) == ["PRICE", "price"]


def test_two_names_that_mean_one_column_are_refused() -> None:
    with pytest.raises(UsageError) as caught:
        match_headers(["product_type", "Price", "productType"], ["Product Type"])
    assert str(caught.value) == (
        "'product_type' and 'productType' both mean the column 'Product Type'. Keep one of them, or rename the other."
    )


@given(_NAMES, _NAMES)
def test_each_name_becomes_itself_or_a_known_column_like_it_and_none_twice(header: list[str], known: list[str]) -> None:
    try:
        matched = match_headers(header, known)
    except UsageError:
        assert len({normal(name) for name in header}) < len(header)
        return
    assert len(set(matched)) == len(header) == len(matched)
    for name, column in zip(header, matched, strict=True):
        assert column == name or (column in known and normal(column) == normal(name) and name not in known)
    assert match_headers(matched, known) == matched


def test_needed_columns_that_are_there_are_fine() -> None:
    check_present(["b", "a"], ["a", "b", "c"], "orders.csv")


@pytest.mark.parametrize(
    ("needed", "header", "sentence"),
    [
        (["Price"], ["Id", "Prise"], "orders.csv has no column 'Price'. Did you mean 'Prise'? The columns are: 'Id', "),
        (["Price"], ["Id"], "orders.csv has no column 'Price'. The columns are: 'Id'."),
        (["Prices", "Price"], ["Id", "Prices"], "orders.csv has no column 'Price'. The columns are: 'Id', 'Prices'."),
    ],
)
def test_the_first_missing_column_is_named_with_a_free_one_like_it(
    needed: list[str], header: list[str], sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        check_present(needed, header, "orders.csv")
    assert str(caught.value).startswith(sentence)
