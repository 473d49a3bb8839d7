"""Plans of the real keeper on the real contracts: what was expected is what the vault then is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import read_vault
from keeper.domain.decision import Action
from keeper.domain.plan import StepKind, VaultCall
from keeper.domain.units import WAD
from keeper.oracle.vault_rules import emergency_aim, in_emergency
from tests.chain.desk import BOLD, HOUR, Desk, Ran
from tests.chain.node_scene import node_in
from tests.chain.vault_scene import RISKY
from tests.factories import a_chain_policy, a_size_policy

CAREFUL = a_chain_policy(size=a_size_policy(target_volatility=0.65))


@pytest.fixture
def desk(chain: LocalChain) -> Iterator[Desk]:
    with Rpc(chain.deployment.rpc_url) as rpc:
        yield Desk(chain, node_in(chain, rpc))


def ended_as_expected(ran: Ran) -> None:
    """To a fifth of a bp of NAV: the plan knows what the swaps before have done to the pools that routes share."""
    expected, after = ran.plan.expected, ran.after
    assert after.nav_usd == pytest.approx(expected.nav_usd, rel=2e-5)
    assert after.leverage == pytest.approx(expected.leverage, rel=5e-5)
    assert after.health_factor == pytest.approx(expected.health_factor, rel=5e-5)
    assert [after.weights[symbol] for symbol in RISKY] == pytest.approx(expected.weights, abs=5e-5)
    assert after.epoch == ran.before.vault.epoch + 1


def test_a_vault_of_cash_is_built_up_to_leveraged_risk_parity(desk: Desk) -> None:
    ran = desk.build_up()
    ended_as_expected(ran)
    assert StepKind.BORROW in {step.kind for step in ran.plan.steps}
    # The vault's limit on a day's losses ends the first day a little below the target.
    target = ran.assessment.target
    assert 0.9 * target.leverage < ran.after.leverage < target.leverage
    reached = [ran.after.weights[symbol] / ran.after.leverage for symbol in RISKY]
    assert reached == pytest.approx(target.unit_weights, abs=0.01)


def test_after_a_crash_the_ripcord_sells_and_repays_to_a_safe_health_factor(desk: Desk) -> None:
    built = desk.build_up()
    limit = built.assessment.policy.decision.act_health_factor
    desk.world.pass_time(HOUR)
    desk.fall(1.0 - 0.97 * limit / built.after.health_factor)
    crashed = read_vault(desk.world)
    assert crashed.health_factor < limit

    ran = desk.cycle(BOLD)

    assert ran.assessment.decision.action is Action.RIPCORD
    assert ran.plan.call is VaultCall.DELEVERAGE
    allowed = {StepKind.WITHDRAW, StepKind.REPAY, StepKind.SWAP_EXACT_IN}
    assert {step.kind for step in ran.plan.steps} <= allowed
    ended_as_expected(ran)
    assert ran.after.debt_usd < crashed.debt_usd
    # As far as the vault lets one call of an emergency go, less what the sales lost.
    assert in_emergency(ran.before)
    aim, beyond = emergency_aim(ran.before), ran.before.vault.policy.target_health / WAD
    assert aim * 0.99 < ran.after.health_factor < beyond


def test_a_lower_target_brings_the_leverage_down_in_one_transaction(desk: Desk) -> None:
    built = desk.build_up()
    desk.world.pass_time(2 * HOUR)
    ran = desk.cycle(CAREFUL)
    assert ran.plan.call is VaultCall.REBALANCE
    ended_as_expected(ran)
    assert ran.after.leverage < built.after.leverage
    assert ran.after.debt_usd < built.after.debt_usd
    assert StepKind.BORROW not in {step.kind for step in ran.plan.steps}


def test_with_a_buffer_asked_for_later_the_cash_is_there_after_the_next_rebalance(desk: Desk) -> None:
    desk.build_up()
    desk.world.pass_time(2 * HOUR)
    with_buffer = replace(CAREFUL, size=replace(CAREFUL.size, idle_buffer=0.02))
    ran = desk.cycle(with_buffer)
    ended_as_expected(ran)
    assert ran.after.cash_usd >= 0.02 * ran.after.nav_usd * 0.999
