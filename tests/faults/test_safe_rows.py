"""The keeper dies, and its calls fail, where its key acts as a Safe through a Roles modifier: rows 3, 4, 26 and 66."""

from __future__ import annotations

import pytest

from keeper.devnet.safe import behind_safe
from keeper.domain.tx import IntentStatus
from keeper.runtime.failpoints import Failpoint
from tests.faults.fixtures import COOLDOWN_S, Trial, VaultNow
from tests.faults.kill_scenarios import DELEVERAGE, ONLY_THE_SUPERSEDING


@pytest.fixture
def trial(trial: Trial) -> Trial:
    with trial.automine():
        deployment = behind_safe(trial.world).deployment
    assert deployment.roles_modifier is not None
    assert deployment.role is not None
    trial.environment |= {"KEEPER_ROLES_MODIFIER": deployment.roles_modifier, "KEEPER_ROLE": deployment.role}
    return trial


def test_a_wrapped_call_is_sent_once_by_who_recovers_and_superseded_in_an_emergency(trial: Trial) -> None:
    assert trial.run(failpoint=Failpoint.ATTEMPT_COMMITTED).killed
    assert trial.proxy.arrived == []
    trial.run()
    trial.proxy.mine()
    assert trial.vault().epoch == 1
    assert len({sent.tx_hash for sent in trial.proxy.arrived}) == 1

    trial.proxy.mine(3)
    trial.proxy.pass_time(COOLDOWN_S)
    trial.freshen()
    trial.proxy.mines_on_poll = None
    assert trial.run(failpoint=Failpoint.BROADCAST, more=trial.eager).killed
    trial.proxy.mines_on_poll = ONLY_THE_SUPERSEDING
    trial.run(*DELEVERAGE)
    assert trial.vault() == VaultNow(epoch=2, rebalanced=1, deleveraged=1)


def test_a_call_that_fails_inside_the_safe_has_reverted_with_the_vaults_reason(trial: Trial) -> None:
    trial.proxy.on_arrival = lambda _: trial.vault_paused(paused=True)
    ended = trial.run()
    assert ended.exit_code == 5
    assert "VaultPaused" in ended.out + ended.err
    assert trial.vault().epoch == 0
    trial.proxy.on_arrival = lambda _: None
    trial.proxy.mine(3)
    trial.run()
    assert trial.statuses() == {IntentStatus.REVERTED: 1}
