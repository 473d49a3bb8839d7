"""A live daemon whose journal is taken away: it stays up, saves the vault from the second journal, and goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from keeper.devnet.vault_reading import read_vault
from keeper.domain.record import CycleOutcome, DecisionRecord
from keeper.journal.fallback import FallbackJournal
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.faults.fixtures import Trial

LIVE = ("run", "--live", "--every", "5s")
ENDINGS = ("", "-wal", "-shm")
RISKY = ("WBTC", "WETH", "LINK", "UNI")
FALLEN = 1.13
"""The health factor after the fall: an emergency, and no liquidation."""


def records(url: str) -> tuple[DecisionRecord, ...]:
    with Journal.open_if_there(url) as journal:
        return StoredRecords(journal).latest(50)


def move(journal: Path, to: Path) -> None:
    """With what belongs to it."""
    for ending in ENDINGS:
        file = journal.with_name(journal.name + ending)
        if file.exists():
            file.rename(to.with_name(to.name + ending))


def causes(record: DecisionRecord) -> list[str]:
    pause_state = record.inputs.pause_state if record.inputs is not None else None
    return [pause.cause for pause in pause_state.pauses] if pause_state is not None else []


def test_a_daemon_without_its_journal_deleverages_from_the_second_one_and_goes_on(
    trial: Trial, tmp_path: Path
) -> None:
    trial.lever()
    trial.proxy.mines_on_poll = 1
    path, away = Path(trial.journal_url.removeprefix("sqlite:///")), tmp_path / "away.db"
    second = f"sqlite:///{tmp_path / 'fallback.db'}"
    known = len(records(trial.journal_url))
    daemon = trial.fork_server.start(LIVE, trial.environment | {"KEEPER_FALLBACK_JOURNAL": str(tmp_path)})
    try:
        trial.until(lambda: len(records(trial.journal_url)) > known)
        trial.proxy.on_arrival = lambda raw: None  # its row is in the second journal
        move(path, to=away)
        trial.until(lambda: bool(held := records(second)) and causes(held[0]) == ["journal_unwritable"])
        assert records(second)[0].outcome is CycleOutcome.HELD

        fall = FALLEN / read_vault(trial.world).health_factor
        for symbol in RISKY:
            trial.move_price(symbol, fall, pools=True)
        trial.until(lambda: trial.vault().deleveraged == 1)
        trial.until(lambda: CycleOutcome.SENT in {record.outcome for record in records(second)})

        move(away, to=path)
        trial.until(lambda: not FallbackJournal(tmp_path).exists)
        trial.until(lambda: not causes(records(trial.journal_url)[0]))
        assert CycleOutcome.SENT in {record.outcome for record in records(trial.journal_url)}
    finally:
        if away.exists():
            move(away, to=path)
        os.kill(daemon.pid, signal.SIGINT)
        ended = daemon.wait()
    assert ended.exit_code == 0, ended.err
    for said in (
        "orders_not_heard",
        "was removed while the keeper used it",
        "fallback_used",
        "fallback_merged",
    ):
        assert said in ended.err
