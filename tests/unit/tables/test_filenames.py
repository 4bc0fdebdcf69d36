import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.tables.filenames import download_name, safe_name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("reviews.csv", "reviews.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\data\\größe.csv", "größe.csv"),
        (" a\tb\r\n.csv ", "ab.csv"),
        ("", "upload"),
        ("..", "upload"),
        ("data/", "upload"),
        (f"{'x' * 500}.csv", f"{'x' * 196}.csv"),
        ("x" * 500, "x" * 200),
    ],
)
def test_a_name_is_made_safe(text: str, name: str) -> None:
    assert safe_name(text) == name


@given(st.text())
def test_a_safe_name_is_no_path_and_stays_the_same(text: str) -> None:
    name = safe_name(text)
    assert name not in ("", ".", "..")
    assert not {"/", "\\", "\0", "\n"} & set(name)
    assert len(name) <= 200
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("job", "format_", "name"),
    [
        ("reviews.csv", "xlsx", "reviews.xlsx"),
        ("Autumn v1.2", "csv", "Autumn v1.2.csv"),
        ("A/B test.JSONL", "csv", "A_B test.csv"),
    ],
)
def test_a_download_is_called_like_its_job(job: str, format_: str, name: str) -> None:
    assert download_name(job, format_) == name
