"""Rows 1 to 10 of docs/faults.md: a keeper that dies on the way."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from keeper.runtime.failpoints import Failpoint
from tests.faults.fixtures import Trial, gates, rests_at
from tests.faults.kill_scenarios import HIGH_GAS_CAPS


@pytest.mark.parametrize(
    ("row", "point", "sent"),
    [
        (1, Failpoint.INTENT_BEGINS, 0),
        (2, Failpoint.INTENT_COMMITTED, 0),
        (2, Failpoint.SIGNING_COMMITTED, 0),
        (3, Failpoint.ATTEMPT_COMMITTED, 0),
        (4, Failpoint.BROADCAST, 1),
        (5, Failpoint.BUMP_COMMITTED, 1),
    ],
)
def test_rows_1_to_5_killed_on_the_way_one_rebalance_and_no_row_lost(
    trial: Trial, row: int, point: Failpoint, sent: int
) -> None:
    trial.proxy.mines_on_poll = 12 if row == 5 else 1
    assert trial.run(failpoint=point, more=HIGH_GAS_CAPS).killed
    assert len(trial.proxy.arrived) == sent
    first = [one.raw for one in trial.proxy.arrived]
    rests_at(trial, 1)
    if row in (3, 4):
        assert len({one.tx_hash for one in trial.proxy.arrived}) == 1
        assert not first or trial.proxy.arrived[0].raw == first[0]


def test_row_6_killed_again_and_again_while_recovering(trial: Trial) -> None:
    trial.proxy.mines_on_poll = None
    assert trial.run(failpoint=Failpoint.ATTEMPT_COMMITTED).killed
    for point in (
        Failpoint.SETTLE_BEGINS,
        Failpoint.BROADCAST,
        Failpoint.SETTLE_REBROADCAST,
        Failpoint.SETTLED,
    ):
        trial.proxy.evict()
        assert trial.run(failpoint=point).killed
    rests_at(trial, 1)
    assert len({one.tx_hash for one in trial.proxy.arrived}) == 1


def test_row_10_an_old_copy_of_the_journal_is_noticed_and_nothing_levers(
    trial: Trial, tmp_path: Path
) -> None:
    """The copy was made before the first rebalance; the key has since been used."""
    path = trial.journal_url.removeprefix("sqlite:///")
    assert trial.run("rebalance", "--execute", "--json").exit_code == 0
    trial.proxy.mine(3)
    trial.run()
    shutil.copy(path, tmp_path / "old.db")
    trial.proxy.pass_time(3_700)
    trial.freshen()
    trial.run(more=trial.eager)
    trial.proxy.mine(3)
    for name in (path, f"{path}-wal", f"{path}-shm"):
        Path(name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "old.db", path)
    trial.completed.clear()
    trial.proxy.arrived.clear()
    ended = trial.run(more=trial.eager)
    assert trial.pauses() == ("foreign_transaction",)
    assert gates(ended)["not_paused"] is False
    assert trial.proxy.arrived == []
