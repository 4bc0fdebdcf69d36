import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from rowmill.core.errors import NotFound, UsageError
from rowmill.plugins import registry


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty cache, before and after."""
    monkeypatch.setattr(sys, "path", sys.path.copy())
    _forget()
    yield
    _forget()


def _forget() -> None:
    registry._installed.cache_clear()
    registry.load.cache_clear()


def install(folder: Path, package: str, entries: str, code: str = "") -> None:
    """Puts a distribution with these entry points where importlib.metadata finds it."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)
    (folder / f"{package}.py").write_text(code)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def test_the_built_ins_are_found_like_any_plugin() -> None:
    assert {"prompt", "python"} <= set(registry.names("processors"))
    assert registry.load("processors", "python").__name__ == "PythonProcessor"


def test_a_strangers_plugin_is_found_and_nothing_else_is_imported(fresh: None, tmp_path: Path) -> None:
    install(tmp_path, "stranger_one", "[rowmill.readers]\nodd = stranger_one:READER\n", "READER = object()")
    install(tmp_path, "stranger_two", "[rowmill.readers]\nodder = stranger_two:READER\n", "READER = object()")
    assert {"odd", "odder"} <= set(registry.names("readers"))
    assert registry.load("readers", "odd") is registry.load("readers", "odd")
    assert "stranger_one" in sys.modules
    assert "stranger_two" not in sys.modules


def test_an_unknown_name_gets_a_suggestion_and_the_list() -> None:
    with pytest.raises(NotFound) as caught:
        registry.load("processors", "promt")
    assert str(caught.value).startswith(
        "There is no processor 'promt'. Did you mean 'prompt'? Installed: 'http', 'prompt', 'python'"
    )


def test_a_plugin_that_cannot_be_imported_is_named_with_its_package(fresh: None, tmp_path: Path) -> None:
    install(tmp_path, "broken_plugin", "[rowmill.writers]\nbroken = broken_plugin:W\n", "raise RuntimeError('no disk')")
    with pytest.raises(UsageError, match=r"'broken' from broken_plugin cannot be loaded: RuntimeError: no disk\."):
        registry.load("writers", "broken")


def test_a_name_claimed_by_two_packages_is_refused(fresh: None, tmp_path: Path) -> None:
    install(tmp_path, "claim_a", "[rowmill.writers]\nboth = claim_a:W\n")
    install(tmp_path, "claim_b", "[rowmill.writers]\nboth = claim_b:W\n")
    with pytest.raises(UsageError, match="'both' is claimed by claim_a and claim_b"):
        registry.load("writers", "both")
