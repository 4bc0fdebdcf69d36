"""Which encoding a delimited file is in, decided by its bytes alone.

In this order: a byte order mark decides; NULs between ASCII characters mean UTF-16; what is valid UTF-8 is UTF-8; what
is so only up to some byte, with characters beyond ASCII before it, is damaged UTF-8 and refused; the rest is
Windows-1252, or Latin-1 where it holds one of the five bytes that Windows-1252 leaves undefined.
"""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from rowmill.core.errors import InputError

_SAMPLE = 1 << 16
_CHUNK = 1 << 18
_WITHOUT_BOM = ("utf-8", "cp1252", "latin-1")


@contextmanager
def decoded(file: BinaryIO, encoding: str) -> Iterator[io.TextIOWrapper]:
    """The whole of ``file`` as text, its line ends untouched. The file itself stays open."""
    file.seek(0)
    text = io.TextIOWrapper(file, encoding, newline="")
    try:
        yield text
    finally:
        with suppress(ValueError):  # a caller who stops early may have closed the file before this is reached
            text.detach()


def detect_encoding(file: BinaryIO, name: str) -> str:
    """The codec that reads ``file``, found in one pass over its bytes.

    Raises ``InputError`` for bytes that belie the byte order mark or the UTF-8 before them, and for NULs, which no
    table holds on purpose.
    """
    file.seek(0)
    declared = _declared(file.read(_SAMPLE))
    file.seek(0)
    decoders = {codec: codecs.getincrementaldecoder(codec)() for codec in ([declared] if declared else _WITHOUT_BOM)}
    surely_utf8 = False
    while True:
        chunk = file.read(_CHUNK)
        for codec, decoder in list(decoders.items()):
            if codec == "cp1252" and chunk.isascii():
                continue  # one byte is one character here, and decoding the common case would cost the most
            try:
                text = decoder.decode(chunk, not chunk)
            except UnicodeDecodeError as error:
                offset = file.tell() - len(error.object) + error.start
                if declared:
                    raise _undecodable(file, declared, name, offset, "the file begins as it") from error
                if codec == "utf-8" and (surely_utf8 or not error.object[: error.start].isascii()):
                    raise _undecodable(file, codec, name, offset, "the text before it is") from error
                del decoders[codec]
            else:
                surely_utf8 |= codec == "utf-8" and not text.isascii()
                if "\0" in text:
                    raise _holds_nul(file, codec, name)
        if not chunk:
            return next(iter(decoders))


def _declared(sample: bytes) -> str | None:
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if 0 not in sample:
        return None
    return next((codec for codec in ("utf-16-le", "utf-16-be") if _looks_right(sample.decode(codec, "ignore"))), None)


def _looks_right(text: str) -> bool:
    """A table has line ends, delimiters and digits, all ASCII; read in the wrong byte order it has next to none."""
    ascii_characters = len(text.encode("ascii", "ignore"))
    return "\0" not in text and ("\n" in text or "\r" in text) and ascii_characters * 20 >= len(text)


def _undecodable(file: BinaryIO, codec: str, name: str, offset: int, although: str) -> InputError:
    due = "UTF-8" if codec.startswith("utf-8") else "UTF-16"
    return InputError(
        f"Line {_line_at(file, codec, offset)} of {name} is not {due}, though {although}.",
        "Save the file again as UTF-8.",
    )


def _line_at(file: BinaryIO, codec: str, offset: int) -> int:
    """The line that a byte stands on, counted anew from the start: only a refusal asks for it."""
    decoder = codecs.getincrementaldecoder(codec)()
    line = 1
    file.seek(0)
    while offset:
        chunk = file.read(min(offset, _CHUNK))
        offset -= len(chunk)
        text = decoder.decode(chunk)
        line += text.count("\n") or text.count("\r")
    return line


def _holds_nul(file: BinaryIO, codec: str, name: str) -> InputError:
    # Latin-1 finds a NUL on the same line in every encoding of single bytes, and never fails on the way to it.
    with decoded(file, codec if codec.startswith("utf-16") else "latin-1") as text:
        number = next(number for number, line in enumerate(text, 1) if "\0" in line)
    return InputError(
        f"Line {number} of {name} holds a NUL byte, so the file is damaged or no text.",
        "Save it again as UTF-8, or remove the NUL bytes.",
    )
