import io
import os
import sys
from pathlib import Path

import pytest

from rowmill.cli.remedies import REMEDIES
from rowmill.core.errors import InputError, UsageError
from rowmill.tables.source import open_source, shown, suffix_format


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _pipe_in(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content.encode())))


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("missing.csv", "missing.csv cannot be read: No such file or directory."),
        ("directory.csv", "directory.csv cannot be read: Is a directory."),
        ("pipe.csv", "pipe.csv is not a regular file."),
        ("reviews.doc", "The suffix .doc of reviews.doc does not name a table format."),
        ("reviews", "reviews has no suffix and does not name a table format."),
    ],
)
def test_what_is_no_table_is_refused(here: Path, path: str, sentence: str) -> None:
    for name in ("reviews.doc", "reviews"):
        (here / name).write_text("a\n1\n")
    (here / "directory.csv").mkdir()
    os.mkfifo(here / "pipe.csv")
    with pytest.raises(UsageError) as caught, open_source(path):
        pytest.fail("It was opened.")
    assert caught.value.message == sentence


@pytest.mark.parametrize(
    ("location", "group", "format_"),
    [
        ("A.CSV", "readers", "csv"),
        ("a.b.ndjson", "writers", "ndjson"),
        ("https://host/files/a.TSV?token=a.csv#b.xlsx", "readers", "tsv"),
        ("s3://bucket/a.parquet", "writers", "parquet"),
    ],
)
def test_the_suffix_tells_the_format_whatever_its_case_also_of_a_url(location: str, group: str, format_: str) -> None:
    assert suffix_format(location, group) == format_


@pytest.mark.parametrize(
    ("group", "option"),
    [("readers", "--input-format"), ("writers", "--format")],
)
def test_an_unknown_suffix_names_the_option_that_helps(group: str, option: str) -> None:
    with pytest.raises(UsageError, match="The suffix") as caught:
        suffix_format("https://user:secret@host/a.doc?key=secret", group)
    assert caught.value.message.startswith("The suffix .doc of https://host/a.doc does not name ")
    assert caught.value.advise(REMEDIES).hint.startswith("Use one of csv, ")
    assert caught.value.hint.endswith(f"with {option}.")


@pytest.mark.parametrize(
    ("content", "format_", "told", "columns"),
    [
        ("a,b\n1,2\n", None, "csv", ["a", "b"]),
        ('{"x": 1}\n', None, "jsonl", ["x"]),
        ('\ufeff\n {"x": 1}\n', None, "jsonl", ["x"]),
        ("a\tb\n1\t2\n", "tsv", "tsv", ["a", "b"]),
        ("", "csv", "csv", None),
    ],
)
def test_standard_input_is_put_aside_and_its_format_guessed(
    monkeypatch: pytest.MonkeyPatch, content: str, format_: str | None, told: str, columns: list[str] | None
) -> None:
    _pipe_in(content, monkeypatch)
    with open_source("-", format_) as source:
        assert (source.name, source.format) == ("stdin", told)
        if columns is None:
            with pytest.raises(InputError, match="stdin"):
                source.reader()
            return
        reader = source.reader()
        rows = list(reader.rows())
        assert (len(rows), reader.columns) == (1, columns)


def test_standard_input_that_is_closed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match="Standard input is closed"), open_source("-"):
        pytest.fail("It was opened.")


def test_a_file_without_a_suffix_is_guessed_only_when_asked(here: Path) -> None:
    (here / "copy").write_text('{"x": 1}\n')
    with open_source("copy", guess=True) as source:
        assert source.format == "jsonl"
    with pytest.raises(UsageError, match="has no suffix"), open_source("copy"):
        pytest.fail("It was opened.")


def test_the_content_hash_is_that_of_the_bytes_and_their_format(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "a.csv").write_text("x\n1\n")
    (here / "b.csv").write_text("x\n1\n")
    (here / "c.csv").write_text("x\n2\n")
    hashes = []
    for path, format_ in (("a.csv", None), ("b.csv", None), ("c.csv", None), ("a.csv", "tsv")):
        with open_source(path, format_) as source:
            hashes.append(source.content_hash)
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3
    _pipe_in("x\n1\n", monkeypatch)
    with open_source("-", "csv") as source:
        assert source.content_hash == hashes[0]


def test_a_file_that_is_written_to_while_it_is_read_is_noticed(here: Path) -> None:
    path = here / "a.csv"
    path.write_text("x\n1\n")
    with open_source("a.csv") as source:
        source.check_unchanged()
        with path.open("a") as file:
            file.write("2\n")
        with pytest.raises(InputError, match=r"a\.csv changed while it was being read"):
            source.check_unchanged()


@pytest.mark.parametrize(
    ("location", "text"),
    [
        ("-", "stdin"),
        ("tables/a.csv", "tables/a.csv"),
        ("https://user:secret@host:8080/a.csv?key=secret#secret", "https://host:8080/a.csv"),
        ("s3://bucket/a.csv", "s3://bucket/a.csv"),
        ("c:/a.csv", "c:/a.csv"),
    ],
)
def test_messages_show_no_secret_of_a_url(location: str, text: str) -> None:
    assert shown(location) == text


def test_a_url_of_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(UsageError, match="There is no way to ftp:// from here"), open_source("ftp://host/a.csv"):
        pytest.fail("It was opened.")
