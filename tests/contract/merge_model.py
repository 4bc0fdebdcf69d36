"""A dataset and its imports as they should be: dictionaries, and the simplest program that could be right."""

from dataclasses import dataclass, field

Values = list[object]
"""Of a record: key, name and age, without what is empty at the end."""

CREATED, UPDATED, UNCHANGED, SUPERSEDED, REFUSED = "created", "updated", "unchanged", "superseded", "refused"


@dataclass
class ImportModel:
    """An import, with what became of each of its lines and the record that a line names."""

    covered: list[int] | None
    actions: dict[int, str] = field(default_factory=dict)
    records: dict[int, int] = field(default_factory=dict)

    def count(self, *actions: str) -> int:
        return sum(action in actions for action in self.actions.values())

    def lines(self, *actions: str) -> list[int]:
        return sorted(line for line, action in self.actions.items() if action in actions)


@dataclass
class DatasetModel:
    revisions: list[dict[str, Values]] = field(default_factory=lambda: [{}])
    """What the records hold by key, at each revision; the last one is what everybody sees."""

    now: dict[str, Values] = field(default_factory=dict)
    """What they will hold once the import under way has ended."""

    seen: dict[str, tuple[ImportModel, int]] = field(default_factory=dict)
    """The import and the line that named a key last."""

    def bring(self, import_: ImportModel, line: int, values: Values | None) -> None:
        """One line: its values, or none where it does not fit."""
        if values is None:
            import_.actions[line] = REFUSED
            return
        key = str(values[0])
        by, last = self.seen.get(key, (None, 0))
        before = self.revisions[-1].get(key)
        if by is import_ and last > line:
            import_.actions[line] = SUPERSEDED
            return
        if by is import_:
            import_.actions[last] = SUPERSEDED
        self.seen[key] = import_, line
        self.now[key] = values if before is None else _overlaid(before, values, import_.covered)
        import_.actions[line] = CREATED if before is None else UNCHANGED if self.now[key] == before else UPDATED
        import_.records[line] = list(self.now).index(key) + 1

    def publish(self) -> None:
        if self.now != self.revisions[-1]:
            self.revisions.append(dict(self.now))


def _overlaid(before: Values, new: Values, covered: list[int] | None) -> Values:
    if covered is None:
        return new
    width = max(len(before), len(new))
    old, fresh = (values + [None] * (width - len(values)) for values in (before, new))
    return trimmed([fresh[place] if place in covered else old[place] for place in range(width)])


def trimmed(values: Values) -> Values:
    while values and values[-1] is None:
        values = values[:-1]
    return values
