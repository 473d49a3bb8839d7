"""What goes wrong on one lending market of several: nothing more is put there, and the way down leads through the
others."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.decision.decide import decide
from keeper.decision.gates import CHEAPER_ACCOUNTS
from keeper.decision.position import take_position
from keeper.decision.trade_context import consider
from keeper.domain.account_venue import IsolatedMarket
from keeper.domain.decision import Action, Decision
from keeper.domain.market import LendingAccount, MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.placement import Placement
from keeper.domain.plan import StepKind
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import SECONDS_PER_YEAR, UINT256_MAX, WAD
from keeper.domain.urgency import Urgency
from keeper.drill.emergency import emergency_call
from keeper.drill.scene import scene_of
from keeper.risk.information import knowledge
from keeper.sizing.account_terms import terms_of
from keeper.sizing.size import size
from tests.cycle.market_states import shipped_policy
from tests.decision.gate_cases import limit
from tests.decision.positions import a_move
from tests.factories import (
    a_decision_policy,
    a_model,
    a_policy,
    a_size_policy,
    a_snapshot,
    some_bars,
    with_aave_account,
    with_depths,
    with_morpho_account,
    with_reserve,
)
from tests.planning.plans import planned

NAV = 2_000_000.0
RULES = a_policy(decision=a_decision_policy(triggers=()), size=a_size_policy(scenarios=(), stress_sigmas=2.0))
FIRST = with_reserve(
    with_depths(a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.3, nav_usd=NAV)),
    "WETH",
    supply_rate=0.0,
)
MORPHO = with_morpho_account(FIRST, "WETH", 400_000.0, 150_000.0, rate=0.02)
LOW = with_morpho_account(FIRST, "WETH", 400_000.0, 300_000.0)
"""The Morpho account's health factor is 1.15."""


def changed(snapshot: MarketSnapshot, **market: object) -> MarketSnapshot:
    """The Morpho account's market with these fields, and its reserves as the keeper reads them then."""
    other = snapshot.others[0]
    assert other.venue.market is not None
    now: IsolatedMarket = replace(other.venue.market, **market)  # type: ignore[arg-type]
    reserves = tuple(
        replace(
            reserve,
            paused=now.rate_at_target is None,
            available=max(0, now.total_supply - now.total_borrow)
            if reserve.symbol == "USDC"
            else reserve.available
            if now.price
            else 0,
        )
        for reserve in other.reserves
    )
    moved = replace(other, venue=replace(other.venue, market=now), reserves=reserves)
    return replace(snapshot, others=(moved,))


def market(snapshot: MarketSnapshot) -> IsolatedMarket:
    found = snapshot.others[0].venue.market
    assert found is not None
    return found


def decided(snapshot: MarketSnapshot, policy: Policy = RULES, *missing: str) -> Decision:
    model = a_model()
    target = replace(size(model, Observation(snapshot), policy), missing=missing)
    return decide(Observation(snapshot), model, target, policy=policy, tightened=())


def placement(decision: Decision) -> Placement:
    assert decision.placement is not None, decision.reason
    return decision.placement


def lowered(snapshot: MarketSnapshot) -> set[int]:
    """The accounts that the emergency's call changes."""
    plan = emergency_call(scene_of(Observation(snapshot), shipped_policy())).plan
    assert plan is not None
    assert plan.expected.leverage < portfolio(snapshot).leverage
    return {step.account for step in plan.steps if step.route is None}


def test_row_90_a_market_whose_rate_model_fails_takes_and_gives_nothing() -> None:
    stuck = changed(MORPHO, rate_at_target=None)
    account = terms_of(stuck, stuck.risk_symbols, RULES.size).accounts[1]
    assert account.min_usd == account.held_usd == account.most_usd
    assert account.min_owed_usd == account.owed_usd
    decision = decided(stuck)
    assert decision.action is Action.HOLD or 1 not in {
        step.account for step in planned(decision, stuck, RULES).steps if step.route is None
    }
    # In need itself, it cannot be lowered. The others are not in need, so nothing is done and the drill says so.
    needy = changed(LOW, rate_at_target=None)
    call = emergency_call(scene_of(Observation(needy), shipped_policy()))
    assert call.plan is None
    assert call.detail


def test_row_91_a_dry_market_is_lowered_with_its_collateral_and_another_loan() -> None:
    dry = changed(LOW, total_borrow=market(LOW).total_supply)
    assert lowered(dry) == {1}
    # An account that can be lowered is, whatever a change of accounts would save.
    assert decided(dry).action is Action.RIPCORD
    plan = emergency_call(scene_of(Observation(dry), shipped_policy())).plan
    assert plan is not None
    assert plan.account == 0 or plan.flash_amount == 0
    assert StepKind.WITHDRAW in {step.kind for step in plan.steps}
    # Nothing more is borrowed there.
    limits = {
        limit.name: limit.most_usd
        for limit in terms_of(dry, dry.risk_symbols, RULES.size).markets[1].debt_limits
    }
    assert limits["utilisation"] == pytest.approx(300_000.0, rel=1e-6)


def test_row_92_an_account_whose_threshold_is_lowered_passes_its_debt_on() -> None:
    """The eMode's threshold falls from 85 % to 70 %: its health factor was 1.55 and is 1.27, and the floor is 1.4."""
    before = with_aave_account(FIRST, {"WBTC": 400_000.0}, 220_000.0, threshold_bps=8_500)
    after = with_aave_account(FIRST, {"WBTC": 400_000.0}, 220_000.0, threshold_bps=7_000)
    assert decided(before).action is Action.HOLD
    decision = decided(after)
    assert decision.action is Action.REBALANCE, decision.reason
    there = placement(decision).accounts[1]
    assert there.collateral_usd[0] * 0.70 / there.debt_usd >= 1.4 * (1.0 - 1e-6)
    plan = planned(decision, after, RULES)
    assert min(plan.expected.health_factors) >= 1.39


def test_row_93_after_a_liquidation_the_rest_is_counted_and_lowered() -> None:
    whole, gone = portfolio(MORPHO), replace(MORPHO, others=(emptied(MORPHO.others[0], owed=0),))
    left = portfolio(gone)
    assert left.nav_usd == pytest.approx(whole.nav_usd - 250_000.0, rel=1e-6)
    assert len(decided(gone).gates) == len(decided(MORPHO).gates)
    # What it still owes has nothing behind it. No sale raises that account: debt or collateral changes account.
    bad = replace(MORPHO, others=(emptied(MORPHO.others[0], owed=50_000 * 10**6),))
    assert portfolio(bad).nav_usd == pytest.approx(left.nav_usd - 50_000.0, rel=1e-6)
    assert portfolio(bad).health_factor == 0.0
    decision = decided(bad)
    assert decision.action is Action.REBALANCE, decision.reason
    assert min(planned(decision, bad, RULES).expected.health_factors) >= 1.39


def emptied(account: LendingAccount, owed: int) -> LendingAccount:
    return replace(
        account,
        supplied=tuple(0 for _ in account.supplied),
        owed=(owed, *account.owed[1:]),
        account=replace(
            account.account, collateral_base=0, debt_base=owed, health_factor=0 if owed else UINT256_MAX
        ),
    )


def test_row_94_ten_times_the_rate_moves_the_debt_to_another_market() -> None:
    calm = decided(MORPHO)
    assert calm.action is Action.HOLD or placement(calm).debt_shares()[1] > 0.1
    dear = changed(MORPHO, rate_at_target=round(0.2 * WAD / SECONDS_PER_YEAR))
    decision = decided(dear)
    assert decision.action is Action.REBALANCE, decision.reason
    assert placement(decision).debt_shares()[1] < 0.05
    assert decision.benefit_usd > RULES.decision.min_saving * decision.expected_cost_usd
    plan = planned(decision, dear, RULES)
    assert {step.kind for step in plan.steps} >= {StepKind.REPAY, StepKind.BORROW}
    assert plan.expected.weights == pytest.approx(portfolio(dear).weights, rel=1e-6)


def test_row_95_an_oracle_that_stands_still_makes_no_collateral_worth_more() -> None:
    stuck = changed(MORPHO, price=market(MORPHO).price * 12 // 10)
    place = stuck.risk_symbols.index("WETH")
    account = terms_of(stuck, stuck.risk_symbols, RULES.size).accounts[1]
    assert account.thresholds[place] == pytest.approx(0.86)
    below = changed(MORPHO, price=market(MORPHO).price * 8 // 10)
    account = terms_of(below, below.risk_symbols, RULES.size).accounts[1]
    assert account.thresholds[place] == pytest.approx(0.86 * 0.8)


def missing_of(snapshot: MarketSnapshot) -> set[str]:
    """What the look misses without any memory."""
    look = knowledge(Observation(snapshot), some_bars(), RULES)
    return set(look.shortfalls)


@pytest.mark.parametrize(("row", "name"), [("price", "venue_price"), ("rate_at_target", "venue_rates")])
def test_row_95_what_a_venue_does_not_say_stops_levering(row: str, name: str) -> None:
    blind = changed(MORPHO, **{row: 0 if row == "price" else None})
    (missing,) = missing_of(blind)
    assert missing == f"{name}:account1"
    position = take_position(
        Observation(blind),
        a_model(),
        replace(size(a_model(), Observation(blind), RULES), missing=(missing,)),
        policy=RULES,
        tightened=(),
    )
    gate = limit("information", consider(position, a_move((0.5, 0.5, 0.5, 0.5)), Urgency.OUT_OF_BAND))
    assert not gate.passed


def test_row_95_an_account_without_a_price_passes_its_debt_on() -> None:
    priced = changed(MORPHO, price=0)
    other = priced.others[0]
    seen = replace(other.account, collateral_base=0, health_factor=0)
    blind = replace(priced, others=(replace(other, account=seen),))
    assert missing_of(blind) == {"venue_price:account1"}
    decision = decided(blind, RULES, *missing_of(blind))
    # No sale raises that account, so it is no emergency's call. The debt is repaid with what another account borrows.
    assert decision.action is Action.REBALANCE, decision.reason
    plan = planned(decision, blind, RULES)
    repaid = [step for step in plan.steps if step.kind is StepKind.REPAY and step.account == 1]
    assert [step.amount for step in repaid] == [UINT256_MAX]
    assert min(plan.expected.health_factors) >= 1.39
    gate = next(gate for gate in decision.gates if gate.name == CHEAPER_ACCOUNTS)
    assert gate.passed
    assert placement(decision).accounts[1].debt_usd == 0.0
    assert placement(decision).accounts[1].collateral_usd == pytest.approx(
        (0.0, 400_000.0, 0.0, 0.0), rel=1e-6
    )
