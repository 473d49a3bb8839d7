"""The start of ``keeper run``."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from keeper.app.daemon import Daemon
from keeper.cli.main import main
from keeper.journal import versions
from keeper.journal.store import Journal

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.mark.faults
def test_a_journal_of_the_first_release_is_migrated_by_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path / 'keeper.db'}"
    for name, value in {
        "RPC_URL": "http://127.0.0.1:9",
        "CHAIN_ID": "31337",
        "VAULT": ADDRESS,
        "QUOTER": ADDRESS,
        "SENDER": ADDRESS,
        "JOURNAL_URL": url,
        "LOCK_DIRECTORY": str(tmp_path / "locks"),
    }.items():
        monkeypatch.setenv(f"KEEPER_{name}", value)
    Journal.open(url).close()
    with create_engine(url).begin() as connection:
        connection.execute(text("DROP TABLE terms"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0101'"))
    monkeypatch.setattr(Daemon, "run", lambda _: 0)
    with pytest.raises(SystemExit) as ended:
        main(["run"])
    assert ended.value.code == 0
    assert "Pauses are not known yet" in " ".join(capsys.readouterr().err.split())
    with create_engine(url).begin() as connection:
        assert versions.stored_version(connection) == versions.NEWEST
