"""Failure spikes: rows that fail one after the other with one code."""

from rowmill.core.retry import SPIKE


class SpikeWatch:
    """``tolerated`` is a code that the user has seen and resumed from; it pauses the job no more."""

    def __init__(self, total: int, tolerated: str | None) -> None:
        self._length = min(SPIKE, total)
        self._tolerated = tolerated
        self._code: str | None = None
        self._numbers: list[int] = []

    def see(self, number: int, code: str | None) -> list[int]:
        """Notes that row ``number`` ended with ``code`` (``None``: succeeded); returns the rows that become part of a
        spike by this: all of the streak when it gets long enough, then each that makes it longer."""
        if code != self._code:
            self._code, self._numbers = code, []
        if code is None or code == self._tolerated:
            return []
        self._numbers.append(number)
        if len(self._numbers) > self._length:
            return [number]
        return list(self._numbers) if len(self._numbers) == self._length else []
