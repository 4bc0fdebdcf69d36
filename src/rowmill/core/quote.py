"""Quoting foreign text in messages."""


def one_line(text: str, longest: int) -> str:
    """The text on one line, cut after ``longest`` characters."""
    line = " ".join(text.split())
    return line if len(line) <= longest else f"{line[:longest]}…"
