"""Rows 28 to 31: what a reorganisation takes away, and what it brings."""

from __future__ import annotations

import pytest

from keeper.devnet.vault_reading import read_vault
from keeper.domain.tx import IntentStatus
from tests.faults.fixtures import Trial, gates, rests_at


@pytest.mark.parametrize("keeps", [True, False], ids=["back in the pool", "forgotten"])
@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_row_28_what_a_reorganisation_un_mined_is_sent_again(trial: Trial, depth: int, keeps: bool) -> None:
    more = {"KEEPER_SEND__FINALITY_BLOCKS": "8"}
    trial.environment |= more
    assert trial.run().record["outcome"] == "SENT"
    trial.proxy.mine(depth - 1)
    trial.proxy.keeps_unmined = keeps
    trial.proxy.reorg(depth)
    assert trial.vault().epoch == 0
    trial.proxy.mines_on_poll = 1
    for _ in range(3):
        trial.run()
        trial.proxy.mine(5)
    rests_at(trial, 1)
    assert trial.statuses() == {IntentStatus.FINAL: 1}


def test_row_29_a_reorganisation_that_brings_a_competitor_halts(trial: Trial) -> None:
    trial.environment |= {"KEEPER_SEND__FINALITY_BLOCKS": "20"}
    assert trial.run().record["outcome"] == "SENT"
    trial.proxy.keeps_unmined = False
    raw = trial.strange_bytes(nonce_ahead=-1)
    trial.proxy.reorg(1, instead=raw)
    trial.proxy.mine(5)
    ended = trial.run()
    assert trial.statuses() == {IntentStatus.DISPLACED: 1}
    assert trial.pauses() == ("foreign_transaction",)
    assert gates(ended)["not_paused"] is False
    assert trial.vault().epoch == 0


def test_row_30_a_reorganisation_that_changes_the_price_meets_the_vaults_guard(trial: Trial) -> None:
    """The same bytes are mined on another price, and revert there; the vault keeps what it has."""
    trial.environment |= {"KEEPER_SEND__FINALITY_BLOCKS": "20"}
    assert trial.run().record["outcome"] == "SENT"
    trial.proxy.mines_on_poll = None
    trial.proxy.keeps_unmined = False
    trial.proxy.reorg(1)
    trial.move_price("WETH", 0.90, pools=False)
    trial.proxy.mines_on_poll = 1
    trial.run()
    trial.proxy.mine(25)
    trial.run()
    assert trial.statuses().get(IntentStatus.REVERTED) == 1
    assert read_vault(trial.world).health_factor > 1.0


def test_row_31_a_reorganisation_past_finality_freezes(trial: Trial) -> None:
    trial.environment |= {"KEEPER_SEND__FINALITY_BLOCKS": "2"}
    trial.run()
    trial.proxy.mine(2)
    trial.run()
    assert trial.statuses() == {IntentStatus.FINAL: 1}
    trial.proxy.keeps_unmined = False
    trial.proxy.reorg(3)
    trial.proxy.mine(3)
    ended = trial.run()
    assert trial.pauses() == ("finality_broken",)
    assert ended.exit_code in (4, 7)
    assert trial.proxy.arrived[1:] == []
