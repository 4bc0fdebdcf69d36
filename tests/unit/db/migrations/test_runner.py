import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from rowmill.core.errors import StoreError
from rowmill.db.migrations import runner
from rowmill.db.migrations.runner import SQLITE
from rowmill.db.sqlite.database import SQLiteDatabase, SQLiteTransaction
from rowmill.db.sqlite.presence import SQLitePresence

MIGRATE = """
import os, sqlite3, sys
from pathlib import Path
from rowmill.db.migrations.runner import migrate
from rowmill.db.sqlite.database import SQLiteDatabase
from rowmill.db.sqlite.presence import SQLitePresence

home, folder = map(Path, sys.argv[1:])
"""
KILLED = (
    MIGRATE
    + """
connect = sqlite3.connect

def traced(*args, **kwargs):
    connection = connect(*args, **kwargs)
    connection.set_trace_callback(lambda sql: os._exit(9) if sql.startswith("CREATE TABLE three") else None)
    return connection

sqlite3.connect = traced
migrate(SQLiteDatabase(home), SQLitePresence(home / "engines"), folder)
"""
)
AT_ONCE = (
    MIGRATE
    + """
database = SQLiteDatabase(home)
print("ready", flush=True)
sys.stdin.readline()
migrate(database, SQLitePresence(home / "engines"), folder)
print(database.version())
"""
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One migration."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0001_one.sql").write_text("CREATE TABLE one (a INTEGER);\n")
    return folder


@pytest.fixture
def longer(tmp_path: Path, folder: Path) -> Path:
    """The same, and another that makes two tables."""
    longer = tmp_path / "longer"
    longer.mkdir()
    (longer / "0001_one.sql").write_text((folder / "0001_one.sql").read_text())
    (longer / "0002_two.sql").write_text("CREATE TABLE two (a INTEGER);\nCREATE TABLE three (a INTEGER);\n")
    return longer


@pytest.fixture
def database(home: Path) -> Iterator[SQLiteDatabase]:
    with closing(SQLiteDatabase(home)) as database:
        yield database


def migrate(database: SQLiteDatabase, folder: Path) -> None:
    runner.migrate(database, SQLitePresence(Path(database.location) / "engines"), folder)


def _tables(database: SQLiteDatabase) -> list[str]:
    return [name for (name,) in database.read("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]


def test_a_fresh_store_runs_every_migration(database: SQLiteDatabase, longer: Path) -> None:
    assert database.version() == 0
    migrate(database, longer)
    assert database.version() == 2
    assert _tables(database) == ["one", "three", "two"]


def test_migrations_run_in_the_order_of_their_numbers(database: SQLiteDatabase, folder: Path) -> None:
    for number in range(2, 12):
        (folder / f"{number:04}_next.sql").write_text(f"ALTER TABLE one ADD COLUMN c{number} INTEGER;\n")
    migrate(database, folder)
    names = [name for (name,) in database.read("SELECT name FROM pragma_table_info('one')")]
    assert names == ["a", *(f"c{number}" for number in range(2, 12))]
    assert database.version() == 11


def test_a_store_runs_only_the_migrations_that_are_new_to_it(
    database: SQLiteDatabase, folder: Path, longer: Path
) -> None:
    migrate(database, folder)
    assert (database.version(), _tables(database)) == (1, ["one"])
    migrate(database, longer)
    assert (database.version(), _tables(database)) == (2, ["one", "three", "two"])


def test_an_up_to_date_store_is_not_touched_and_no_migration_is_read(
    database: SQLiteDatabase, home: Path, folder: Path
) -> None:
    migrate(database, folder)
    before = database.data_version()
    (folder / "0001_one.sql").write_bytes(b"\xff not even text")
    with closing(SQLitePresence(home / "engines")) as presence:
        presence.register("eng_alive")
        migrate(database, folder)
    assert database.data_version() == before


def test_a_newer_store_is_refused_and_stays_as_it_is(
    database: SQLiteDatabase, home: Path, folder: Path, longer: Path
) -> None:
    migrate(database, longer)
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            migrate(database, folder)
        assert caught.value.message == f"The store in {home} was made by a newer version of Rowmill."
    assert database.version() == 2


def test_a_store_of_a_development_version_is_refused_and_stays_as_it_is(home: Path, folder: Path) -> None:
    home.mkdir()
    with closing(sqlite3.connect(home / "rowmill.db")) as old:
        old.execute("CREATE TABLE alembic_version (version_num TEXT)")
    with closing(SQLiteDatabase(home)) as database:
        for _ in range(2):
            with pytest.raises(StoreError) as caught:
                migrate(database, folder)
            assert caught.value.message == (
                f"The store in {home} was made by an unreleased development version of Rowmill."
            )
            assert caught.value.hint == "Move it away, or set ROWMILL_HOME to another directory."
        assert _tables(database) == ["alembic_version"]


def test_a_store_is_not_upgraded_while_an_engine_is_alive(
    database: SQLiteDatabase, home: Path, folder: Path, longer: Path
) -> None:
    migrate(database, folder)
    with closing(SQLitePresence(home / "engines")) as other:
        other.register("eng_old")
        with pytest.raises(StoreError, match="must be upgraded, but it is in use"):
            migrate(database, longer)
        assert (database.version(), _tables(database)) == (1, ["one"])
    migrate(database, longer)
    assert database.version() == 2


class Overtaken(SQLiteDatabase):
    """Another process always gets the store first, and runs the migrations in ``folder``."""

    folder: Path

    @contextmanager
    def exclusive(self) -> Iterator[SQLiteTransaction]:
        with closing(SQLiteDatabase(Path(self.location))) as other:
            migrate(other, self.folder)
        with super().exclusive() as tx:
            yield tx


def test_what_another_process_has_just_run_is_not_run_again(home: Path, longer: Path) -> None:
    with closing(Overtaken(home)) as database:
        database.folder = longer
        migrate(database, longer)
        assert database.version() == 2


def test_a_store_that_a_newer_version_has_just_upgraded_is_refused(home: Path, folder: Path, longer: Path) -> None:
    with closing(Overtaken(home)) as database:
        database.folder = longer
        with pytest.raises(StoreError, match="newer version"):
            migrate(database, folder)


def test_two_processes_may_upgrade_a_store_at_once(home: Path, longer: Path) -> None:
    both = [
        subprocess.Popen(
            [sys.executable, "-c", AT_ONCE, home, longer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    assert [process.communicate("\n")[0] for process in both] == ["2\n", "2\n"]


@pytest.mark.parametrize("version", [0, 1])
def test_a_migration_that_fails_undoes_all_and_can_be_run_again(
    database: SQLiteDatabase, folder: Path, longer: Path, version: int
) -> None:
    if version:
        migrate(database, folder)
    before = _tables(database)
    whole = (longer / "0002_two.sql").read_text()
    (longer / "0002_two.sql").write_text(whole + "CREATE TABLE two (a INTEGER);\n")
    with pytest.raises(StoreError, match="table two already exists"):
        migrate(database, longer)
    assert (database.version(), _tables(database)) == (version, before)

    (longer / "0002_two.sql").write_text(whole)
    migrate(database, longer)
    assert (database.version(), _tables(database)) == (2, ["one", "three", "two"])


@pytest.mark.parametrize("version", [0, 1])
def test_a_killed_migration_leaves_the_old_version_and_the_next_run_upgrades_it(
    home: Path, folder: Path, longer: Path, version: int
) -> None:
    with closing(SQLiteDatabase(home)) as database:
        if version:
            migrate(database, folder)
        before = _tables(database)
    killed = subprocess.run([sys.executable, "-c", KILLED, home, longer], check=False)
    assert killed.returncode == 9
    with closing(SQLiteDatabase(home)) as database:
        assert (database.version(), _tables(database)) == (version, before)
        migrate(database, longer)
        assert (database.version(), _tables(database)) == (2, ["one", "three", "two"])
        assert database.read("PRAGMA quick_check") == [("ok",)]


def test_a_full_disk_is_a_store_error_and_leaves_the_old_version(database: SQLiteDatabase) -> None:
    with database.transaction() as tx:
        tx.execute("PRAGMA max_page_count = 10")
    with pytest.raises(StoreError, match="is full") as caught:
        migrate(database, SQLITE)
    assert caught.value.hint == "Free space on the disk of ROWMILL_HOME, then resume the job or run the command again."
    assert (database.version(), _tables(database)) == (0, [])

    with database.transaction() as tx:
        tx.execute("PRAGMA max_page_count = 1000000")
    migrate(database, SQLITE)
    assert database.version() > 0
    assert database.read("PRAGMA quick_check") == [("ok",)]


def test_semicolons_elsewhere_than_at_the_end_of_a_statement_do_not_split_it(
    database: SQLiteDatabase, folder: Path
) -> None:
    (folder / "0001_one.sql").write_text("""\
-- First; a comment.
CREATE TABLE one (
    a TEXT DEFAULT 'x;',  -- one; two
    b TEXT
);  -- three;

CREATE TRIGGER copy AFTER INSERT ON one BEGIN
    UPDATE one SET b = a;
    UPDATE one SET a = 'seen';
END;
INSERT INTO one (a) VALUES (';
')
""")
    migrate(database, folder)
    assert database.read("SELECT a, b FROM one") == [("seen", ";\n")]


def test_the_migrations_are_numbered_from_one_without_a_gap() -> None:
    names = sorted(path.name for path in SQLITE.iterdir())
    assert [name[:5] for name in names] == [f"{number:04}_" for number in range(1, len(names) + 1)]
    assert all(name.endswith(".sql") for name in names)


def test_every_table_of_sqlite_is_strict(database: SQLiteDatabase) -> None:
    migrate(database, SQLITE)
    lax = "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict AND name NOT LIKE 'sqlite_%'"
    assert database.read(lax) == []
