import codecs
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rowmill.builtin.formats import encoding
from rowmill.builtin.formats.encoding import decoded, detect_encoding
from rowmill.core.errors import InputError


def detect(content: bytes) -> str:
    return detect_encoding(io.BytesIO(content), "t.csv")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "utf-8"),
        (b"a,b\n1,2\n", "utf-8"),
        ("Straße,Köln\n".encode(), "utf-8"),
        (codecs.BOM_UTF8 + "Straße\n".encode(), "utf-8-sig"),
        ("Straße\n".encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + "Straße\n".encode("utf-16-be"), "utf-16"),
        ("Straße,Ort\n".encode("utf-16-le"), "utf-16-le"),
        ("Straße,Ort\n".encode("utf-16-be"), "utf-16-be"),
        ("名前,年齢,職業\n山田,30,上司\n".encode("utf-16-le"), "utf-16-le"),
        ("名前,年齢,職業\n山田,30,上司\n".encode("utf-16-be"), "utf-16-be"),
        ("Preis €\n".encode("cp1252"), "cp1252"),
        (b"K\xf6ln \x81\n", "latin-1"),
        (b"cut off in the midst of a character \xc3", "cp1252"),
    ],
)
def test_bytes_decide_the_encoding(content: bytes, expected: str) -> None:
    assert detect(content) == expected


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_valid_utf8_is_never_taken_for_anything_else(text: str) -> None:
    with decoded(file := io.BytesIO(text.encode()), detect_encoding(file, "t.csv")) as stream:
        assert stream.read() == text.removeprefix("\ufeff")


@given(st.binary(min_size=1, max_size=40).map(lambda content: content.replace(b"\0", b"")))
def test_any_bytes_without_bom_and_nul_can_be_read_or_are_damaged_utf8(content: bytes) -> None:
    if content.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return
    try:
        codec = detect(content)
    except InputError:
        with pytest.raises(UnicodeDecodeError) as caught:
            content.decode()
        assert not content[: caught.value.start].isascii()
    else:
        content.decode(codec)


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("a\nKöln\n".encode() + b"K\xf6ln\n", 3),
        ("Köln, ".encode() + b"K\xf6ln \x81\n", 1),
        ("a\n€\n\nb".encode() + b"\xc3", 4),
    ],
)
def test_what_stops_being_utf8_is_refused_with_its_line(
    content: bytes, line: int, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "_CHUNK", chunk)
    with pytest.raises(InputError) as caught:
        detect(content)
    sentence = f"Line {line} of t.csv is not UTF-8, though the text before it is. Save the file again as UTF-8."
    assert str(caught.value) == sentence


def test_late_bytes_count_as_much_as_early_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoding, "_CHUNK", 7)
    plain = b"only ASCII for a while\n" * 10
    assert detect(plain + "Köln\n".encode()) == "utf-8"
    assert detect(plain + "Köln\n".encode("cp1252")) == "cp1252"
    assert detect("€ Köln\n".encode("cp1252") + plain + b"\x9d") == "latin-1"


@pytest.mark.parametrize("chunk", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("content", "line", "declared"),
    [
        (codecs.BOM_UTF8 + b"a\nb\nK\xf6ln\nd\n", 3, "UTF-8"),
        (codecs.BOM_UTF8 + b"a\rb\rc\rK\xf6ln\r", 4, "UTF-8"),
        (codecs.BOM_UTF16_LE + "a\nb\n".encode("utf-16-le") + b"\x00\xdcx\x00", 3, "UTF-16"),
        (codecs.BOM_UTF16_BE + "a\nb\n".encode("utf-16-be") + b"x", 3, "UTF-16"),
    ],
)
def test_bytes_that_belie_the_mark_are_refused_with_their_line(
    content: bytes, line: int, declared: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "_CHUNK", chunk)
    with pytest.raises(InputError, match=rf"^Line {line} of t.csv is not {declared}"):
        detect(content)


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,2\n\0\0\0\0\n",
        b"a,b\n1,2\n1,\0,2\n",
        b"a,b\n1,2\nK\xf6ln\0,2\n",
        codecs.BOM_UTF8 + b"a,b\n1,2\nx\0,2\n",
        codecs.BOM_UTF16_LE + "a,b\n1,2\nx\0,2\n".encode("utf-16-le"),
    ],
)
def test_nuls_in_a_text_are_refused_with_their_line(content: bytes) -> None:
    with pytest.raises(InputError, match=r"^Line 3 of t.csv holds a NUL byte"):
        detect(content)


def test_decoded_leaves_the_file_open_and_starts_anew() -> None:
    file = io.BytesIO(b"a\r\nb\rc\n")
    for _ in range(2):
        with decoded(file, "utf-8") as text:
            assert list(text) == ["a\r\n", "b\r", "c\n"]
    assert not file.closed


def test_decoded_bears_a_file_closed_meanwhile() -> None:
    with decoded(file := io.BytesIO(b"a\nb\n"), "utf-8") as text:
        assert next(text) == "a\n"
        file.close()
