"""``rowmill doctor``: is everything here as it should be?"""

import os
import sqlite3
import sys
from pathlib import Path

import click
import orjson

from rowmill.core.errors import StoreError
from rowmill.ledger.opening import default_home, open_store
from rowmill.plugins.registry import Group, names

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "glusterfs", "lustre"}
_GROUPS: tuple[Group, ...] = ("readers", "writers", "storage", "processors", "providers")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(*, as_json: bool) -> int:
    """Check this installation and the store; exits with 3 if the store is damaged."""
    home = default_home()
    damage = _damage()
    kind = file_system(home)
    facts: dict[str, object] = {
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "home": str(home),
        "file_system": kind,
        "network_file_system": kind in _NETWORK,
        "free_bytes": os.statvfs(home).f_bavail * os.statvfs(home).f_frsize,
        "store": damage or "sound",
        **{group: names(group) for group in _GROUPS},
    }
    if as_json:
        click.echo(orjson.dumps(facts, option=orjson.OPT_INDENT_2).decode())
    else:
        for name, value in facts.items():
            click.echo(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
        if kind in _NETWORK:
            click.echo(
                f"{home} is on a network file system ({kind}), whose locks cannot be trusted: move ROWMILL_HOME."
            )
    return 3 if damage else 0


def _damage() -> str | None:
    """What is wrong with the store, and what to do about it; ``None`` where it is sound."""
    try:
        store = open_store()
        try:
            found = store.maintenance.check()
        finally:
            store.close()
    except StoreError as error:
        found = error.message
    return f"{found} Put a copy of rowmill.db back, or move the file away to begin anew." if found else None


def file_system(path: Path) -> str | None:
    """The type of the file system that holds ``path``, where the machine tells (Linux)."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    points = {fields[1]: fields[2] for line in mounts if len(fields := line.split()) > 2}
    return next((points[str(place)] for place in [path, *path.parents] if str(place) in points), None)
