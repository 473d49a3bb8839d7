"""Reorganisations of every depth, one after another: the journal follows the chain, and in the end there was one
rebalance. KEEPER_REORGS asks for more (`make chaos REORGS=500`)."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest

from keeper.domain.tx import IntentStatus
from tests.faults.fixtures import Stage, Trial

pytestmark = pytest.mark.slow

REORGS = int(os.environ.get("KEEPER_REORGS", "20"))
SEED = int(os.environ.get("KEEPER_SEED", "1"))
PER_STORY = 20
DEEPEST = 5
NEVER_FINAL = {"KEEPER_SEND__FINALITY_BLOCKS": "100000"}
ON_CHAIN = (IntentStatus.MINED, IntentStatus.FINAL)


def test_rows_28_to_30_the_journal_follows_every_reorganisation(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = np.random.default_rng(SEED)
    done, unmined, wrong = 0, 0, []
    while done < REORGS:
        with stage.trial() as trial:
            trial.environment |= NEVER_FINAL
            trial.proxy.mine(DEEPEST + 1)
            assert trial.run().record["outcome"] == "SENT"
            for _ in range(min(PER_STORY, REORGS - done)):
                unmined += _reorganised(trial, chance)
                wrong += _differences(trial)
                done += 1
            trial.environment["KEEPER_SEND__FINALITY_BLOCKS"] = "2"
            trial.come_to_rest()
            wrong += trial.check()
            if (trial.vault().epoch, trial.statuses()) != (1, {IntentStatus.FINAL: 1}):
                wrong.append(f"ended at epoch {trial.vault().epoch} with {trial.statuses()}")
        if REORGS > 100:
            with capsys.disabled():
                sys.stderr.write(
                    f"\r{done} reorganisations, {unmined} un-mined the call, {len(wrong)} wrong outcomes "
                )
    assert wrong == []
    assert unmined > REORGS // 8


def _reorganised(trial: Trial, chance: np.random.Generator) -> bool:
    """One reorganisation and one cycle after it; whether it un-mined the rebalance."""
    trial.proxy.mine(int(chance.integers(0, 4)))
    trial.proxy.keeps_unmined = bool(chance.integers(2))
    trial.proxy.mines_on_poll = 1 if chance.integers(2) else None
    before = trial.vault().epoch
    trial.proxy.reorg(int(chance.integers(1, DEEPEST + 1)))
    gone = before == 1 and trial.vault().epoch == 0
    trial.run()
    return gone


def _differences(trial: Trial) -> list[str]:
    """What the journal says of the call and what the chain says, after a cycle that looked."""
    status = next(iter(trial.statuses()))
    epoch = trial.vault().epoch
    waits = trial.proxy.mines_on_poll is None
    if status in ON_CHAIN and epoch != 1:
        return [f"{status} at epoch {epoch}"]
    if status not in ON_CHAIN and epoch == 1 and waits:
        return [f"{status} at epoch {epoch}"]
    return []
