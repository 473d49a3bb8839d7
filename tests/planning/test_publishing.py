"""A rollup's publishing fee in costs, gates and checks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.decision.gates import judged_limits
from keeper.decision.trade_context import TradeContext, consider
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import RebalancePlan
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from keeper.planning.gas import ENVELOPE_BYTES, TYPICAL_BYTES, calldata_bytes, published_wei
from keeper.planning.verify import verify
from tests.decision.positions import a_move, a_position
from tests.factories import PRICES, a_policy, a_simulation, a_snapshot
from tests.planning.ledger import a_decision
from tests.planning.plans import planned

TENTH = WAD // 10
FREE, CHARGED = a_snapshot(), a_snapshot(l1_fee_wei=TENTH)
GOAL = (0.6, 0.5, 0.4, 0.3)
POLICY = a_policy()


def by_length(plan: RebalancePlan) -> float:
    """Of what TYPICAL_BYTES cost."""
    return (ENVELOPE_BYTES + calldata_bytes(plan.steps)) / TYPICAL_BYTES


def routine_trade(snapshot: MarketSnapshot) -> TradeContext:
    return consider(a_position(snapshot, POLICY), a_move(GOAL), Urgency.ROUTINE)


def gas_balance(snapshot: MarketSnapshot) -> bool:
    return next(gate for gate in judged_limits(routine_trade(snapshot)) if gate.name == "gas_balance").passed


def checked_cost(snapshot: MarketSnapshot, exact_wei: int) -> float:
    decision = replace(a_decision(snapshot, GOAL), urgency=Urgency.ROUTINE)
    report = a_simulation(l1_fee_wei=exact_wei)
    verdict = verify(planned(decision, snapshot, POLICY), report, snapshot, decision, POLICY)
    return next(check.value for check in verdict.checks if check.name == "cost_within_benefit")


def test_the_estimate_counts_the_publishing_fee_once() -> None:
    assert routine_trade(CHARGED).gas_cost_wei - routine_trade(FREE).gas_cost_wei == TENTH
    more = routine_trade(CHARGED).cost_usd - routine_trade(FREE).cost_usd
    assert more == pytest.approx(0.1 * PRICES["WETH"])


def test_the_plan_counts_the_publishing_fee_once_by_its_length() -> None:
    free, charged = (planned(a_decision(one, GOAL), one, POLICY) for one in (FREE, CHARGED))
    assert charged.steps == free.steps
    assert charged.cost.gas - free.cost.gas == pytest.approx(by_length(charged) * 0.1 * PRICES["WETH"])
    assert replace(charged.cost, gas=free.cost.gas) == free.cost


def test_the_balance_must_cover_the_publishing_fee() -> None:
    enough = POLICY.decision.gas_reserve_wei + routine_trade(CHARGED).gas_cost_wei
    assert gas_balance(replace(CHARGED, keeper_balance_wei=enough))
    assert not gas_balance(replace(CHARGED, keeper_balance_wei=enough - WAD // 1_000))


def test_verify_replaces_the_estimated_fee_by_the_exact_one() -> None:
    without = checked_cost(FREE, 0)
    assert checked_cost(CHARGED, TENTH) == pytest.approx(without + 0.1 * PRICES["WETH"])
    guess = published_wei(planned(a_decision(CHARGED, GOAL), CHARGED, POLICY).steps, CHARGED)
    assert checked_cost(CHARGED, 3 * TENTH) == pytest.approx(without + 0.3 * PRICES["WETH"])
    assert checked_cost(CHARGED, TENTH // 2) == pytest.approx(without + 0.05 * PRICES["WETH"])
    # A report that says nothing leaves the estimate.
    assert checked_cost(CHARGED, 0) == pytest.approx(checked_cost(CHARGED, guess))
