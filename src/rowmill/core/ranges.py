"""Row ranges as people write them: ``1-100``, ``7``, ``500-``, ``1-10,20,30-``."""

from rowmill.core.errors import UsageError


def parse_ranges(text: str, total: int) -> list[tuple[int, int]]:
    """``text`` as sorted, merged ranges (first, last) of row numbers from 1 to ``total``.

    Raises ``UsageError`` for what is no range or lies outside the table.
    """
    ranges = sorted(_parse_range(part.strip(), total) for part in text.split(","))
    merged: list[tuple[int, int]] = []
    for first, last in ranges:
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _parse_range(part: str, total: int) -> tuple[int, int]:
    start, dash, end = (piece.strip() for piece in part.partition("-"))
    numbers = [piece for piece in (start, end) if piece]
    # ASCII only: int() would take digits of other scripts, signs and underscores; it refuses very long ones.
    if not numbers or not all(piece.isascii() and piece.isdigit() and len(piece) < 20 for piece in numbers):
        raise UsageError(f"Row range {part!r} is not a range.", "Write it as 1-100, 7 or 500-.")
    if not start:
        raise UsageError(f"Row range {part!r} has no first row.", "Write it as 1-100, 7 or 500-.")
    first = int(start)
    if first > total:
        raise UsageError(f"Row range {part!r} begins after the last row, {total}.", "Choose rows within the table.")
    last = int(end) if end else (total if dash else first)
    if not 1 <= first <= last:
        raise UsageError(f"Row range {part!r} does not run from a first to a later row.", "Rows are numbered from 1.")
    if last > total:
        raise UsageError(f"Row range {part!r} ends after the last row, {total}.", "Choose rows within the table.")
    return first, last
