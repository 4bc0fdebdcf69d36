from tests.unit.db.conftest import processes, store  # noqa: F401
