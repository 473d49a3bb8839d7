"""What a standby looks at before it asks for the lead: all that would end or stop it as a leader."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from keeper.app import operator
from keeper.app.composition import held_key, opening
from keeper.app.standby import Look
from keeper.chain.block_look import BlockWatcher
from keeper.domain.errors import JournalTooNew, KeeperError, NodeUnavailable, SignerUnavailable, Tampered
from keeper.domain.record import Mode
from keeper.journal.store import Journal
from keeper.settings.schema import Settings
from keeper.tx.remote_signer import RemoteSigner

ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


class Asked(Exception):
    """The look is known; nobody waits for the lead."""


class Candidate:
    """keeper.app.standby.Standby, up to its look."""

    def next_lease(self, look: Look) -> Any:
        look()
        raise Asked


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Its journal is a file here: the look at it is the same, and needs no server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(BlockWatcher, "look", lambda _: None)
    return Settings(
        rpc_url="http://127.0.0.1:9",
        chain_id=31_337,
        vault=ADDRESS,
        quoter=ADDRESS,
        private_key="0x" + "5e" * 32,  # type: ignore[arg-type]
        journal_url=f"sqlite:///{tmp_path / 'keeper.db'}",
        lock_directory=tmp_path / "locks",
    )


def look(settings: Settings) -> None:
    with (
        held_key(settings, Mode.LIVE, lambda: "") as held,
        opening(settings, held, timer=None, standby=Candidate()),  # type: ignore[arg-type]
    ):
        raise AssertionError("it waits for the lead")


def spoilt(url: str, statement: str) -> None:
    with create_engine(url).begin() as connection:
        connection.execute(text(statement))


def test_without_a_journal_or_with_one_that_it_migrates_a_standby_could_lead(settings: Settings) -> None:
    with pytest.raises(Asked):
        look(settings)
    Journal.open(settings.journal_url).close()
    operator.seal(settings)
    spoilt(settings.journal_url, "UPDATE alembic_version SET version_num = '0101'")
    with pytest.raises(Asked):
        look(settings)


@pytest.mark.parametrize(
    ("spoils", "error"),
    [
        ("UPDATE seals SET sha256 = 'of another program'", Tampered),
        ("UPDATE alembic_version SET version_num = '9999'", JournalTooNew),
    ],
    ids=["seal", "newer schema"],
)
def test_what_the_journal_would_refuse_is_noticed(
    settings: Settings, spoils: str, error: type[KeeperError]
) -> None:
    Journal.open(settings.journal_url).close()
    operator.seal(settings)
    spoilt(settings.journal_url, spoils)
    with pytest.raises(error):
        look(settings)


@pytest.mark.parametrize("broken", ["node", "signer"])
def test_a_node_or_a_signer_that_does_not_answer_is_noticed(
    settings: Settings, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(*_: object) -> None: ...

    failure = {
        "node": NodeUnavailable("no answer", remedy="Start it."),
        "signer": SignerUnavailable("no answer", remedy="Start it."),
    }[broken]

    def fails(*_: object) -> None:
        raise failure

    monkeypatch.setattr(BlockWatcher, "look", fails if broken == "node" else answers)
    monkeypatch.setattr(RemoteSigner, "require_account", answers)
    remote = settings.model_copy(
        update={"private_key": None, "signer_url": "http://127.0.0.1:9", "sender": ADDRESS}
    )
    with ExitStack() as stack:
        held = stack.enter_context(held_key(remote, Mode.LIVE, lambda: ""))
        if broken == "signer":
            monkeypatch.setattr(RemoteSigner, "require_account", fails)
        with pytest.raises(type(failure)), opening(remote, held, timer=None, standby=Candidate()):  # type: ignore[arg-type]
            pass
