"""What uploads and downloads are called."""

import re

_LONGEST = 200
_TABLE = re.compile(r"\.(csv|tsv|jsonl|ndjson|parquet|xlsx)$", re.I)
_PATH = re.compile(r"[/\\]")


def safe_name(text: str) -> str:
    """``text`` as the name of a file: without directories and what cannot be printed, and no longer than file systems
    take; ``upload`` where nothing is left of it."""
    name = "".join(character for character in _PATH.split(text)[-1] if character.isprintable()).strip()
    if name in ("", ".", ".."):
        return "upload"
    stem, dot, suffix = name.rpartition(".")
    if len(name) <= _LONGEST or not dot or len(suffix) > 20:
        return name[:_LONGEST]
    return f"{stem[: _LONGEST - len(suffix) - 1]}.{suffix}"


def download_name(job: str, format_: str) -> str:
    """What the file is called that an export makes: ``job`` is what the export is called, ``format_`` its format."""
    return safe_name(f"{_TABLE.sub('', _PATH.sub('_', job))}.{format_}")
