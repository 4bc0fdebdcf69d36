"""Import and export of a wide table, whole processes, beside the ``sqlite3`` command line that does no more than that.

``sqlite3 .import`` fills a table whose text primary key is indexed; Rowmill upserts by the same key into a dataset. The
export of ``sqlite3 -csv`` goes to a file. Rowmill's times include the start of Python and everything durable.
"""

import argparse
import csv
import filecmp
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.processes import ROWMILL, Ended, environment, run
from benchmarks.table import Finding, print_findings

ROWS = 1_000_000
ROUNDS = 3
MOST_TIMES = 3.0
MOST_MEMORY = 300
_COLUMNS = ("id", "title", "size", "price", "stock", "text", "seen", "active", "mail", "note")


def measure(rows: int = ROWS, rounds: int = ROUNDS) -> Iterator[Finding]:
    if shutil.which("sqlite3") is None:
        raise SystemExit("The sqlite3 command line is needed: apt install sqlite3")
    with TemporaryDirectory() as directory:
        place = Path(directory)
        table = _write_table(place / "table.csv", rows)
        made = [_round(place / str(number), table, rows) for number in range(rounds)]
    for name in ("import by key", "import without a key", "import again, nothing changed", "export"):
        ratios = [
            ours[name].wall / (theirs["export"] if name == "export" else theirs["import"]) for ours, theirs in made
        ]
        bar = name != "import again, nothing changed"
        spread = f"rounds {min(ratios):.2f}–{max(ratios):.2f}"
        yield Finding(
            f"CSV {name}, {rows:,} rows × {len(_COLUMNS)}, times `sqlite3`",
            f"{median(ratios):.2f} ({spread})",
            f"≤ {MOST_TIMES:g}" if bar else "",
            median(ratios) <= MOST_TIMES if bar else None,
        )
    for name in ("import by key", "export"):
        peak = max(ours[name].peak for ours, _ in made) / 1e6
        yield Finding(
            f"Peak memory, {name}, {rows:,} rows", f"{peak:.0f} MB", f"< {MOST_MEMORY} MB", peak < MOST_MEMORY
        )


def _round(place: Path, table: Path, rows: int) -> tuple[dict[str, Ended], dict[str, float]]:
    place.mkdir()
    database, theirs = place / "sqlite.db", {}
    columns = ", ".join(["id TEXT PRIMARY KEY", *_COLUMNS[1:]])
    filling = (f"CREATE TABLE t({columns})", ".mode csv", f".import --skip 1 {table} t")
    theirs["import"] = run("sqlite3", str(database), *filling).wall
    env = environment(place / "home")
    into = (ROWMILL, "import", str(table), "--json")
    ours = {
        "import by key": run(*into, "--dataset", "keyed", "--key", "id", env=env),
        "import again, nothing changed": run(*into, "--dataset", "keyed", env=env),
        "import without a key": run(*into, "--dataset", "plain", env=env),
    }
    for ended in ours.values():
        _check(ended, rows)
    out = place / "sqlite.csv"
    theirs["export"] = run("sqlite3", "-csv", "-header", str(database), f".output {out}", "SELECT * FROM t").wall
    ours["export"] = run(ROWMILL, "export", "keyed", "-o", str(place / "out.csv"), "--json", env=env)
    _check(ours["export"], rows)
    if not filecmp.cmp(place / "out.csv", table, shallow=False):
        raise SystemExit("What was exported is not what was imported.")
    shutil.rmtree(place)
    return ours, theirs


def _check(ended: Ended, rows: int) -> None:
    job = ended.json
    if job["status"] != "completed" or job["processed"] != rows or job["failed"]:
        raise SystemExit(f"The job did not come through: {job['status']}, {job['processed']:,} of {rows:,} rows.")


def _write_table(path: Path, rows: int) -> Path:
    """A CSV file of ``rows`` different rows of the usual kinds of cells; none needs quotes."""
    random = Random(1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_COLUMNS)
        for number in range(1, rows + 1):
            price, day = f"{random.random() * 100:.2f}", f"2026-01-{random.randint(1, 28):02}"
            size, stock = random.choice(["S", "M", "L", "XL"]), random.randint(1, 10_000)
            active, mail = random.choice(["true", "false"]), f"user{random.randint(1, 50_000)}@example.com"
            title, text = f"Product number {number}", "A text of some length"
            writer.writerow([f"K{number:08}", title, size, price, stock, text, day, active, mail, ""])
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.transfers", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N")
    options = parser.parse_args()
    print_findings(list(measure(options.rows, options.rounds)))
