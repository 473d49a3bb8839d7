"""A fresh journal address per test, in a SQLite file and in a real PostgreSQL server.

The server is that of KEEPER_TEST_POSTGRES_URL, else one that the ``pgserver`` wheel brings, started once per run.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

SKIPPED = "PostgreSQL: no KEEPER_TEST_POSTGRES_URL, and the pgserver wheel cannot run here"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The address of a server on which databases may be created."""
    given = os.environ.get("KEEPER_TEST_POSTGRES_URL")
    if given:
        yield given
        return
    # Not in pytest's own folder: run by root, another session closes that to the account which the server has.
    folder = Path(tempfile.mkdtemp(prefix="keeper-postgres-"))
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    atexit.register(
        shutil.rmtree, folder, ignore_errors=True
    )  # after pgserver's own, which writes there again
    try:
        from pgserver.postgres_server import get_server

        server = get_server(folder / "data")
    except (ImportError, OSError, RuntimeError, AssertionError) as error:
        pytest.skip(f"{SKIPPED}: {error}")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


def fresh_database(server: str) -> str:
    """The address of a new, empty database."""
    import psycopg
    from sqlalchemy.engine import make_url

    name = f"keeper_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def journal_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where nothing is yet. A test that asks for it runs twice."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'keeper.db'}"
    return fresh_database(request.getfixturevalue("postgres_server"))


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'keeper.db'}"
