"""Which falls are survived, and what is in the way, in a world of values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from keeper.decision.gates import LIMITS
from keeper.domain.decision import Goal
from keeper.domain.errors import InvalidSetting
from keeper.domain.fire_drill import FALLS, DrillCheck, FallOutcome
from keeper.domain.hindrances import HINDRANCES, Hindrance
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.observation import Observation
from keeper.domain.placement import PlacedAccount, Placement
from keeper.domain.policy import Policy
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from keeper.drill.emergency import OF_GATES, EmergencyCall
from keeper.drill.rehearse import Rehearsal, confirmed, rehearse, rehearse_traded
from keeper.drill.scene import fallen, scene_of, traded
from tests.cycle.market_states import shipped_policy
from tests.factories import (
    GWEI,
    RISK_SYMBOLS,
    a_snapshot,
    with_block,
    with_depths,
    with_morpho_account,
    with_reserve,
    with_vault_policy,
)

QUARTERS = (0.25, 0.25, 0.25, 0.25)
CALLS_AT = 0.2
"""The fall at which ``LEVERED`` needs a call, and the largest that it survives."""


def levered(leverage: float = 2.2) -> MarketSnapshot:
    return with_depths(a_snapshot(weights=QUARTERS, leverage=leverage, nav_usd=250_000.0))


LEVERED = levered()


def rehearsed(snapshot: MarketSnapshot = LEVERED, policy: Policy | None = None) -> Rehearsal:
    return rehearse(Observation(snapshot), policy or shipped_policy())


def outcome_at(fall: float, rehearsal: Rehearsal) -> FallOutcome:
    return next(outcome for outcome in rehearsal.outcomes if outcome.fall == fall)


def test_a_levered_vault_survives_by_one_call_what_does_not_liquidate_it() -> None:
    rehearsal = rehearsed()
    assert [outcome.fall for outcome in rehearsal.outcomes] == list(FALLS)
    assert confirmed(rehearsal, ()).survivable_fall == CALLS_AT
    called, lost = outcome_at(CALLS_AT, rehearsal), outcome_at(0.3, rehearsal)
    assert called.steps > 0
    assert called.ends_at > called.health_factor
    assert called.fee_wei == called.gas_limit * 156 * GWEI
    assert lost.hindrance is Hindrance.LIQUIDATION
    assert outcome_at(0.0, rehearsal).steps == 0
    assert [trial.fall for trial in rehearsal.trials] == [CALLS_AT]


def test_a_vault_without_debt_survives_every_fall_and_needs_no_node() -> None:
    rehearsal = rehearsed(a_snapshot(weights=QUARTERS, leverage=0.9))
    drill = confirmed(rehearsal, ())
    assert drill.survivable_fall == FALLS[-1]
    assert drill.checked
    assert drill.hindered is None
    assert not rehearsal.trials


def _lent_out(snapshot: MarketSnapshot, policy: Policy) -> tuple[MarketSnapshot, Policy]:
    for symbol in ("USDC", *RISK_SYMBOLS):
        snapshot = with_reserve(snapshot, symbol, available=1)
    return snapshot, policy


def _shallow(snapshot: MarketSnapshot, policy: Policy) -> tuple[MarketSnapshot, Policy]:
    return with_depths(snapshot, 1e-4), policy


def _poor_keeper(snapshot: MarketSnapshot, policy: Policy) -> tuple[MarketSnapshot, Policy]:
    return replace(snapshot, keeper_balance_wei=WAD // 100), policy


def _expensive_gas(snapshot: MarketSnapshot, policy: Policy) -> tuple[MarketSnapshot, Policy]:
    return snapshot, replace(policy, drill=replace(policy.drill, gas_price_wei=501 * GWEI))


def _small_cap(snapshot: MarketSnapshot, policy: Policy) -> tuple[MarketSnapshot, Policy]:
    return snapshot, replace(policy, plan=replace(policy.plan, max_fee_wei=WAD // 10))


def _no_prices(snapshot: MarketSnapshot, policy: Policy) -> tuple[MarketSnapshot, Policy]:
    feeds = (snapshot.feeds[0], *(replace(feed, trust=Trust.DEAD) for feed in snapshot.feeds[1:]))
    return replace(snapshot, feeds=feeds), policy


def _no_role(snapshot: MarketSnapshot, policy: Policy) -> tuple[MarketSnapshot, Policy]:
    return replace(snapshot, keeper_has_role=False), policy


def _no_losses(snapshot: MarketSnapshot, policy: Policy) -> tuple[MarketSnapshot, Policy]:
    levels = {"emergency_health": WAD * 125 // 100, "target_health": WAD * 135 // 100}
    return with_vault_policy(snapshot, **levels, emergency_loss_bps=1), policy


@pytest.mark.parametrize(
    ("spoil", "hindrance"),
    [
        (_lent_out, Hindrance.RESERVE),
        (_shallow, Hindrance.POOL_DEPTH),
        (_poor_keeper, Hindrance.GAS),
        (_expensive_gas, Hindrance.GAS),
        (_small_cap, Hindrance.FEE_CAP),
        (_no_prices, Hindrance.PRICES),
        (_no_role, Hindrance.VAULT_LIMITS),
        (_no_losses, Hindrance.VAULT_LIMITS),
    ],
)
def test_what_is_in_the_way_is_named(
    spoil: Callable[[MarketSnapshot, Policy], tuple[MarketSnapshot, Policy]], hindrance: Hindrance
) -> None:
    snapshot, policy = spoil(LEVERED, shipped_policy())
    rehearsal = rehearsed(snapshot, policy)
    called = outcome_at(CALLS_AT, rehearsal)
    assert called.hindrance is hindrance, called.detail
    assert called.detail
    assert confirmed(rehearsal, ()).survivable_fall == 0.1
    assert rehearsal.trials == ()


def test_every_hindrance_has_a_meaning() -> None:
    assert set(HINDRANCES) == set(Hindrance)


def test_every_gate_of_an_emergency_is_about_something() -> None:
    judged = {rule.name for rule in LIMITS if Urgency.EMERGENCY in rule.urgencies}
    assert set(OF_GATES) == judged


def test_a_present_emergency_that_cannot_be_answered_counts_as_no_fall() -> None:
    present = fallen(scene_of(Observation(LEVERED), shipped_policy()), 0.2).snapshot
    drill = confirmed(rehearsed(*_poor_keeper(present, shipped_policy())), ())
    assert drill.survivable_fall == 0.0
    assert drill.hindered is not None
    assert drill.hindered.fall == 0.0


def test_the_node_s_word_counts() -> None:
    rehearsal = rehearsed()
    level = rehearsal.trials[0].recovered_at
    fine = confirmed(rehearsal, [DrillCheck(CALLS_AT, "", level)])
    assert (fine.survivable_fall, fine.checked) == (CALLS_AT, True)
    reverted = confirmed(rehearsal, [DrillCheck(CALLS_AT, "LossAboveLimit(9, 8)", 0.0)])
    low = confirmed(rehearsal, [DrillCheck(CALLS_AT, "", level - 0.01)])
    for drill in (reverted, low):
        assert drill.survivable_fall == 0.1
        assert drill.hindered is not None
        assert drill.hindered.hindrance is Hindrance.REVERT
    assert "LossAboveLimit" in outcome_at(CALLS_AT, replace(rehearsal, outcomes=reverted.outcomes)).detail


def test_without_the_node_the_computed_drill_counts_and_says_so() -> None:
    drill = confirmed(rehearsed(), (), "the node is silent")
    assert (drill.survivable_fall, drill.checked, drill.note) == (CALLS_AT, False, "the node is silent")


def test_what_cannot_be_computed_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> EmergencyCall:
        raise InvalidSetting("DOGE", remedy="")

    monkeypatch.setattr("keeper.drill.rehearse.emergency_call", refused)
    drill = confirmed(rehearsed(), ())
    assert drill.survivable_fall is None
    assert not drill.checked
    assert "DOGE" in drill.note
    assert rehearse_traded(Observation(LEVERED), shipped_policy(), Goal(RISK_SYMBOLS, (0.5,) * 4, 2.0)) == ()


def test_an_emergency_does_not_ask_what_gas_costs() -> None:
    shipped = shipped_policy()
    unpriced = replace(shipped, plan=replace(shipped.plan, gas_usd_price_symbol="DOGE"))
    assert confirmed(rehearsed(policy=unpriced), ()).survivable_fall == CALLS_AT


def test_a_fall_is_judged_at_the_higher_price_of_gas() -> None:
    scene = scene_of(Observation(LEVERED), shipped_policy())
    assert fallen(scene, 0.1).snapshot.block.base_fee_wei == 156 * GWEI
    dear = scene_of(Observation(with_block(LEVERED, base_fee_wei=900 * GWEI)), shipped_policy())
    assert fallen(dear, 0.1).snapshot.block.base_fee_wei == 900 * GWEI


def test_a_traded_vault_owes_what_its_assets_cost_beyond_nav_and_the_buffer() -> None:
    cash = with_depths(a_snapshot(weights=(0.0,) * 4, nav_usd=250_000.0))
    scene = traded(scene_of(Observation(cash), shipped_policy()), Goal(RISK_SYMBOLS, (0.45,) * 4, 1.8))
    held, buffer = scene.observation.held, shipped_policy().size.idle_buffer
    assert held.leverage == pytest.approx(1.8, rel=1e-6)
    assert held.nav_usd == pytest.approx(250_000.0, rel=1e-6)
    assert held.debt_usd == pytest.approx((0.8 + buffer) * 250_000.0, rel=1e-6)
    assert scene.snapshot.account.health_factor / WAD == pytest.approx(held.health_factor)
    borrowed = cash.reserves[0].available - scene.snapshot.reserves[0].available
    assert borrowed == scene.snapshot.holdings[0].owed
    assert scene.snapshot.reserve("WETH").available > cash.reserve("WETH").available


def test_the_vault_after_a_first_levering_is_drilled_as_a_levered_one() -> None:
    cash = with_depths(a_snapshot(weights=(0.0,) * 4, nav_usd=250_000.0))
    modest = rehearse_traded(Observation(cash), shipped_policy(), Goal(RISK_SYMBOLS, (0.45,) * 4, 1.8))
    bold = rehearse_traded(Observation(cash), shipped_policy(), Goal(RISK_SYMBOLS, (0.6,) * 4, 2.4))
    unlevered = rehearse_traded(Observation(cash), shipped_policy(), Goal(RISK_SYMBOLS, (0.2,) * 4, 0.8))
    survived = [sum(outcome.survived for outcome in outcomes) for outcomes in (unlevered, modest, bold)]
    assert survived == sorted(survived, reverse=True)
    assert survived[0] == len(FALLS)
    assert survived[2] < survived[1]
    assert all(math.isinf(outcome.health_factor) for outcome in unlevered)


def test_a_vault_that_is_traded_over_several_accounts_holds_its_placement() -> None:
    first = with_depths(a_snapshot(weights=(0.0,) * 4, nav_usd=250_000.0))
    cash, half = with_morpho_account(first, "WETH", 0.0, 0.0), 0.45 * 250_000.0
    placement = Placement(
        symbols=cash.risk_symbols,
        accounts=(
            PlacedAccount(0, (half, 0.0, half, half), 3.0),
            PlacedAccount(1, (0.0, half, 0.0, 0.0), 1.0),
        ),
        carry_usd=0.0,
        moved_usd=0.0,
        binding="",
    )
    goal = Goal(RISK_SYMBOLS, (0.45,) * 4, 1.8)
    scene = traded(scene_of(Observation(cash), shipped_policy()), goal, placement)
    held, (there,) = scene.observation.held, scene.snapshot.others
    assert held.leverage == pytest.approx(1.8, rel=1e-6)
    assert held.nav_usd == pytest.approx(250_000.0, rel=1e-6)
    owed = scene.snapshot.value_usd("USDC", there.owed[0])
    assert owed == pytest.approx(held.debt_usd / 4, rel=1e-6)
    assert there.account.health_factor / WAD == pytest.approx(half * 0.86 / owed, rel=1e-6)
    assert scene.snapshot.holding("WETH").supplied == 0
    assert rehearse_traded(Observation(cash), shipped_policy(), goal, placement=placement)
