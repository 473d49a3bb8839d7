"""Each gate just met and just missed, at the urgencies that it applies to."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from keeper.decision.gates import LIMITS, TRIGGERS, holds_back, judged_limits, judged_triggers
from keeper.decision.limits import highest_gas_price_wei
from keeper.decision.position import VaultPosition
from keeper.decision.trade_context import TradeContext, consider
from keeper.domain.decision import Gate
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.observation import Observation
from keeper.domain.policy import Policy
from keeper.domain.tx import InFlight
from keeper.domain.units import WAD
from keeper.domain.urgency import Urgency
from keeper.sizing.size import size
from keeper.sizing.tighten import Tightened
from tests.decision.positions import a_move, a_position
from tests.factories import (
    DAY,
    GWEI,
    HOUR,
    NOW,
    a_decision_policy,
    a_model,
    a_policy,
    a_sequencer,
    a_size_policy,
    a_snapshot,
    an_in_flight,
    an_oracle_policy,
    with_block,
    with_feed,
    with_limits,
    with_market_move,
    with_redemptions,
    with_reserve,
    with_vault,
    with_vault_policy,
)

ROUTINE, OUT_OF_BAND, EMERGENCY = Urgency.ROUTINE, Urgency.OUT_OF_BAND, Urgency.EMERGENCY
LOOSER = (Tightened("size.max_leverage", 3.0, 2.0),)


def a_trade(
    snapshot: MarketSnapshot | None = None,
    policy: Policy | None = None,
    urgency: Urgency = OUT_OF_BAND,
    *,
    weights: tuple[float, ...] | None = None,
    in_flight: InFlight | None = None,
    tightened: tuple[Tightened, ...] = (),
) -> TradeContext:
    position = a_position(snapshot, policy, in_flight=in_flight, tightened=tightened)
    return consider(position, a_move(weights or position.target.weights), urgency)


def limit(name: str, trade: TradeContext) -> Gate:
    return next(gate for gate in judged_limits(trade) if gate.name == name)


def trigger(name: str, position: VaultPosition) -> Gate:
    return next(gate for gate in judged_triggers(position) if gate.name == name)


def passes(name: str, snapshot: MarketSnapshot, urgency: Urgency = OUT_OF_BAND) -> bool:
    return limit(name, a_trade(snapshot, urgency=urgency)).passed


# ---------------------------------------------------------------- the table


def test_every_gate_has_its_own_name_a_meaning_and_a_known_kind() -> None:
    rules = (*TRIGGERS, *LIMITS)
    names = [rule.name for rule in rules]
    assert len(names) == len(set(names))
    assert all(rule.meaning for rule in rules)
    assert {rule.kind for rule in rules} == {"trigger", "limit", "levering"}
    assert {rule.name: rule.exit_code for rule in rules if rule.exit_code} == {
        "prices_fresh": 4,
        "head_age": 4,
        "sequencer_up": 4,
        "oracle_gap": 4,
        "in_flight": 6,
        "keeper_role": 5,
        "vault_not_paused": 5,
        "settings_within_vault": 5,
        "gas_balance": 5,
        "not_paused": 7,
        "day_loss": 7,
        "day_failures": 7,
        "day_turnover": 5,
        "day_gas": 5,
    }


def test_each_urgency_respects_its_own_limits() -> None:
    names = {urgency: {gate.name for gate in judged_limits(a_trade(urgency=urgency))} for urgency in Urgency}
    assert names[ROUTINE] - names[OUT_OF_BAND] == {"benefit_exceeds_cost"}
    assert names[EMERGENCY] == {"prices_fresh", "keeper_role", "gas_balance", "cooldown", "gas_price"}


# ----------------------------------------------------------------- triggers


def target_weights() -> tuple[float, ...]:
    return a_position().target.weights


def off_budget(factor: float) -> VaultPosition:
    weights = list(target_weights())
    weights[2] *= factor
    return a_position(a_snapshot(weights=weights))


def test_risk_share_fires_beyond_the_band_and_not_at_it() -> None:
    position = off_budget(1.2)
    gap = trigger("risk_share", position).value
    assert 0.03 < gap < 0.08

    def fired(band: float) -> bool:
        policy = replace(position.policy, decision=a_decision_policy(risk_share_band=band))
        return trigger("risk_share", replace(position, policy=policy)).passed

    assert not fired(gap)
    assert fired(gap - 1e-12)


def test_risk_share_is_out_of_band_beyond_the_outer_band() -> None:
    assert trigger("risk_share", off_budget(1.2)).urgency is ROUTINE
    assert trigger("risk_share", off_budget(1.8)).urgency is OUT_OF_BAND


def test_at_the_outer_band_it_is_still_routine() -> None:
    position = off_budget(1.8)
    gap, band = trigger("risk_share", position).value, 2.0**-5

    def urgency(out_of_band: float) -> Urgency:
        decision = a_decision_policy(risk_share_band=band, out_of_band=out_of_band)
        return trigger("risk_share", replace(position, policy=a_policy(decision=decision))).urgency

    assert urgency(gap) is ROUTINE
    assert urgency(math.nextafter(gap, 0.0)) is OUT_OF_BAND


def tracking(factor: float, **changes: object) -> VaultPosition:
    """All weights off their target alike: the tracking error is that part of the target's volatility, 80 %."""
    policy = a_policy(decision=a_decision_policy(triggers=("tracking_error",), **changes))
    return a_position(a_snapshot(weights=[factor * weight for weight in target_weights()]), policy)


@pytest.mark.parametrize(
    ("factor", "fired", "urgency"),
    [
        (1.0499, False, ROUTINE),
        (1.0501, True, ROUTINE),
        (0.9499, True, ROUTINE),
        (1.133, True, ROUTINE),
        (1.134, True, OUT_OF_BAND),
    ],
)
def test_tracking_error_fires_beyond_the_band_on_either_side(
    factor: float, fired: bool, urgency: Urgency
) -> None:
    gate = trigger("tracking_error", tracking(factor, tracking_error_band=0.04))
    assert gate.passed is fired
    assert gate.value == pytest.approx(0.8 * abs(factor - 1), abs=1e-6)
    assert gate.urgency is urgency
    assert gate.detail.startswith("tracking error against the target ")


def test_tracking_error_lets_twins_stand_in_for_each_other_where_risk_shares_do_not() -> None:
    twins = a_model(
        volatilities=(0.8, 0.8, 0.8, 0.8),
        correlation=[[1.0 if i == j else 0.99 for j in range(4)] for i in range(4)],
    )
    policy = a_policy(decision=a_decision_policy(triggers=("risk_share", "tracking_error")))
    target = size(twins, Observation(a_snapshot()), policy)
    swapped = (target.weights[0] + 0.05, target.weights[1] - 0.05, *target.weights[2:])
    position = a_position(a_snapshot(weights=swapped), policy, model=twins, target=target)
    assert trigger("risk_share", position).passed
    assert not trigger("tracking_error", position).passed


def test_only_the_triggers_that_the_policy_names_are_judged_and_the_health_factors_always() -> None:
    def judged(*names: str) -> list[str]:
        policy = a_policy(decision=a_decision_policy(triggers=names))
        return [gate.name for gate in judged_triggers(a_position(policy=policy))]

    always = ["health_factor_act", "health_factor_alert"]
    assert judged("leverage") == [*always, "leverage"]
    assert judged("age", "tracking_error") == [*always, "tracking_error", "age"]
    assert judged(*a_decision_policy().triggers) == [
        *always,
        "risk_share",
        "volatility",
        "leverage",
        "age",
    ]


@pytest.mark.parametrize("name", ["volatility", "leverage"])
@pytest.mark.parametrize(
    ("factor", "fired", "urgency"),
    [
        (1.149, False, ROUTINE),
        (1.151, True, ROUTINE),
        (0.849, True, ROUTINE),
        (1.39, True, ROUTINE),
        (1.41, True, OUT_OF_BAND),
        (0.59, True, OUT_OF_BAND),
    ],
)
def test_volatility_and_leverage_fire_off_their_targets(
    name: str, factor: float, fired: bool, urgency: Urgency
) -> None:
    gate = trigger(name, a_position(a_snapshot(weights=[factor * weight for weight in target_weights()])))
    assert gate.passed is fired
    assert gate.value == pytest.approx(abs(factor - 1), abs=1e-6)
    assert gate.urgency is urgency


@pytest.mark.parametrize(
    ("name", "urgency"), [("health_factor_act", EMERGENCY), ("health_factor_alert", OUT_OF_BAND)]
)
def test_health_factor_fires_below_its_level(name: str, urgency: Urgency) -> None:
    level = 1.2 if name == "health_factor_act" else 1.3
    snapshot = a_snapshot(weights=target_weights())

    def with_health_factor(wad: int) -> MarketSnapshot:
        return replace(snapshot, account=replace(snapshot.account, health_factor=wad))

    assert not trigger(name, a_position(with_health_factor(round(level * WAD)))).passed
    fired = trigger(name, a_position(with_health_factor(round(level * WAD) - 10**9)))
    assert fired.passed
    assert fired.urgency is urgency


@pytest.mark.parametrize(("age", "fired"), [(7 * DAY, False), (7 * DAY + 1, True)])
def test_age_fires_after_the_longest_time(age: int, fired: bool) -> None:
    assert trigger("age", a_position(with_vault(a_snapshot(), last_rebalance=NOW - age))).passed is fired


# --------------------------------------------------------------- data limits


@pytest.mark.parametrize("trust", [Trust.STALE, Trust.SUSPECT, Trust.DEAD])
@pytest.mark.parametrize("symbol", ["USDC", "WBTC", "UNI"])
def test_prices_fresh_needs_every_price_fresh(symbol: str, trust: Trust) -> None:
    gate = limit("prices_fresh", a_trade(with_feed(a_snapshot(), symbol, trust=trust, reason="why")))
    assert not gate.passed
    assert gate.detail == f"the price of {symbol} is {trust.value}: why"
    assert passes("prices_fresh", a_snapshot())


def test_prices_fresh_names_the_least_trusted() -> None:
    snapshot = with_feed(with_feed(a_snapshot(), "WBTC", trust=Trust.STALE), "UNI", trust=Trust.DEAD)
    gate = limit("prices_fresh", a_trade(snapshot))
    assert gate.value == 2
    assert "UNI is DEAD" in gate.detail


@pytest.mark.parametrize(
    ("since", "up", "passed"),
    [(3_601, True, True), (3_600, True, False), (0, True, False), (99_999, False, False)],
)
def test_sequencer_up_for_more_than_the_grace_period(since: int, up: bool, passed: bool) -> None:
    sequencer = a_sequencer(up=up, status_since=NOW - since)
    assert passes("sequencer_up", a_snapshot(sequencer=sequencer)) is passed


def test_a_sequencer_feed_without_a_round_is_down() -> None:
    assert not passes("sequencer_up", a_snapshot(sequencer=a_sequencer(status_since=0)))
    assert passes("sequencer_up", a_snapshot(sequencer=None))


@pytest.mark.parametrize(
    ("price", "passed"), [(101_500, True), (101_501, False), (98_500, True), (98_499, False)]
)
def test_oracle_gap_just_met_and_just_missed(price: int, passed: bool) -> None:
    # 150 bps of the lending market's 1.00000
    snapshot = with_reserve(a_snapshot(), "LINK", market_price=100_000 * 1_000)
    feed = snapshot.feeds[snapshot.index("LINK")]
    snapshot = with_feed(snapshot, "LINK", round=replace(feed.round, answer=price * 1_000))
    assert passes("oracle_gap", snapshot) is passed


@pytest.mark.parametrize(
    ("apart", "passed", "side"),
    [(180, True, "behind"), (181, False, "behind"), (-180, True, "ahead of"), (-181, False, "ahead of")],
)
def test_head_age_compares_the_block_with_the_clock_on_either_side(
    apart: int, passed: bool, side: str
) -> None:
    policy = a_policy(oracle=an_oracle_policy(max_head_age_s=180))
    trade = consider(a_position(policy=policy, read_at=NOW + apart), a_move((0.1,) * 4), OUT_OF_BAND)
    gate = limit("head_age", trade)
    assert (gate.passed, gate.value, gate.limit) == (passed, abs(apart), 180)
    assert f"{abs(apart)} s {side} this machine's clock" in gate.detail


def test_head_age_without_a_maximum_always_passes() -> None:
    policy = a_policy(oracle=an_oracle_policy(max_head_age_s=None))
    trade = consider(a_position(policy=policy, read_at=NOW + 10.0**9), a_move((0.1,) * 4), OUT_OF_BAND)
    assert limit("head_age", trade).passed


def test_head_age_is_judged_only_where_the_clocks_are_compared() -> None:
    assert "head_age" not in {gate.name for gate in judged_limits(a_trade())}


def test_oracle_gap_without_a_market_price_is_no_agreement() -> None:
    assert not passes("oracle_gap", with_reserve(a_snapshot(), "LINK", market_price=0))


# -------------------------------------------------------------- vault limits


def test_in_flight_stops_planned_trades() -> None:
    gate = limit("in_flight", a_trade(in_flight=an_in_flight()))
    assert not gate.passed
    assert "intent-1 of epoch 7 is OPEN" in gate.detail
    assert passes("in_flight", a_snapshot())


def test_vault_not_paused() -> None:
    assert passes("vault_not_paused", a_snapshot())
    assert not passes("vault_not_paused", with_vault(a_snapshot(), paused=True))


@pytest.mark.parametrize("urgency", list(Urgency))
def test_keeper_role_is_needed_at_every_urgency(urgency: Urgency) -> None:
    assert passes("keeper_role", a_snapshot(), urgency)
    assert not passes("keeper_role", a_snapshot(keeper_has_role=False), urgency)


def test_settings_within_vault_stops_levering_only() -> None:
    raising = a_trade(tightened=LOOSER)
    lowering = a_trade(
        a_snapshot(weights=(0.9, 0.9, 0.1, 0.1)), weights=(0.5, 0.5, 0.1, 0.1), tightened=LOOSER
    )
    for trade, held in ((raising, True), (lowering, False)):
        gate = limit("settings_within_vault", trade)
        assert not gate.passed
        assert gate.detail.endswith("size.max_leverage is 3, the vault's is 2")
        assert holds_back(gate, trade) is held


@pytest.mark.parametrize(("since", "passed"), [(1_800, True), (1_799, False)])
def test_cooldown_just_met_and_just_missed(since: int, passed: bool) -> None:
    assert passes("cooldown", with_vault(a_snapshot(), last_rebalance=NOW - since)) is passed


# Expected loss of the move from cash: 20 bps of the turnover and 5 bps of the debt that changes.
def _expected_loss() -> float:
    return 25e-4 * a_position().target.leverage


@pytest.mark.parametrize(("room", "passed"), [(1e-9, True), (-1e-9, False)])
def test_daily_loss_budget_just_met_and_just_missed(room: float, passed: bool) -> None:
    used = 0.03 - _expected_loss() - room
    assert passes("daily_loss_budget", with_vault(a_snapshot(), used_daily_loss=used)) is passed


@pytest.mark.parametrize(("room", "passed"), [(1e-9, True), (-1e-9, False)])
def test_daily_turnover_budget_just_met_and_just_missed(room: float, passed: bool) -> None:
    used = 8.0 - a_position().target.leverage - room
    assert passes("daily_turnover_budget", with_vault(a_snapshot(), used_daily_turnover=used)) is passed


def test_a_vault_without_a_turnover_budget_is_not_traded() -> None:
    assert not passes("daily_turnover_budget", with_vault_policy(a_snapshot(), max_daily_turnover_bps=0))


# --------------------------------------------------------- gas and its worth


@pytest.mark.parametrize(("urgency", "gwei"), [(ROUTINE, 40), (OUT_OF_BAND, 120), (EMERGENCY, 500)])
def test_gas_price_just_met_and_just_missed(urgency: Urgency, gwei: int) -> None:
    assert passes("gas_price", with_block(a_snapshot(), base_fee_wei=gwei * GWEI), urgency)
    assert not passes("gas_price", with_block(a_snapshot(), base_fee_wei=gwei * GWEI + 1), urgency)


@pytest.mark.parametrize(("l1_gwei", "passed"), [(10, True), (11, False)])
def test_on_a_rollup_the_l1_fee_counts_in_the_price_of_gas(l1_gwei: int, passed: bool) -> None:
    snapshot = a_snapshot(l1_fee_wei=l1_gwei * GWEI * a_policy().decision.rebalance_gas)
    trade = a_trade(with_block(snapshot, base_fee_wei=30 * GWEI), urgency=ROUTINE)
    gate = limit("gas_price", trade)
    assert (gate.value, gate.passed) == (30 + l1_gwei, passed)
    assert trade.gas_cost_wei == (30 + l1_gwei) * GWEI * a_policy().decision.rebalance_gas
    assert gate.detail.startswith("gas costs ")


@pytest.mark.parametrize(("overdue", "gwei"), [(6 * HOUR, 40), (6 * HOUR + 1, 120)])
def test_after_its_patience_a_routine_trade_pays_as_an_out_of_band_one(overdue: int, gwei: int) -> None:
    snapshot = with_vault(a_snapshot(), last_rebalance=NOW - 7 * DAY - overdue)
    gate = limit("gas_price", a_trade(snapshot, urgency=ROUTINE))
    assert gate.limit == gwei
    assert ("patience" in gate.detail) is (gwei == 120)


@pytest.mark.parametrize("overdue", [6 * HOUR, 6 * HOUR + 1])
def test_only_routine_has_two_tiers_of_patience(overdue: int) -> None:
    snapshot = with_vault(a_snapshot(), last_rebalance=NOW - 7 * DAY - overdue)
    for urgency, gwei in ((OUT_OF_BAND, 120), (EMERGENCY, 500)):
        assert limit("gas_price", a_trade(snapshot, urgency=urgency)).limit == gwei


def test_patience_is_counted_from_when_a_rebalance_was_due_not_from_when_a_trigger_fired() -> None:
    # Yearn's two delays: dear gas holds back a young drift, however large the cool-down was, until the age is up.
    dear = with_block(a_snapshot(), base_fee_wei=60 * GWEI)
    young = with_vault(dear, last_rebalance=NOW - 6 * DAY)
    assert not limit("gas_price", a_trade(young, urgency=ROUTINE)).passed
    old = with_vault(dear, last_rebalance=NOW - 7 * DAY - 7 * HOUR)
    assert limit("gas_price", a_trade(old, urgency=ROUTINE)).passed


def test_a_vault_that_was_never_rebalanced_has_waited_long_enough() -> None:
    snapshot = with_vault(with_block(a_snapshot(), base_fee_wei=120 * GWEI), last_rebalance=0)
    assert limit("gas_price", a_trade(snapshot, urgency=ROUTINE)).passed


@pytest.mark.parametrize("urgency", list(Urgency))
@pytest.mark.parametrize("overdue", [-DAY, 7 * HOUR])
def test_the_gate_and_the_transaction_have_the_same_highest_gas_price(urgency: Urgency, overdue: int) -> None:
    snapshot = with_vault(a_snapshot(), last_rebalance=NOW - 7 * DAY - overdue)
    highest = highest_gas_price_wei(snapshot, urgency, a_policy())
    assert limit("gas_price", a_trade(snapshot, urgency=urgency)).limit * GWEI == pytest.approx(highest)


def at_balance(wei: int, weights: tuple[float, ...] | None = None, urgency: Urgency = OUT_OF_BAND) -> Gate:
    snapshot = a_snapshot(weights=(0.2, 0.2, 0.2, 0.2), keeper_balance_wei=wei)
    return limit("gas_balance", a_trade(snapshot, urgency=urgency, weights=weights))


GAS = 2_500_000 * 20 * GWEI


def test_levering_leaves_the_gas_reserve_untouched() -> None:
    assert at_balance(GAS + WAD).passed
    assert not at_balance(GAS + WAD - 10**15).passed


@pytest.mark.parametrize("urgency", list(Urgency))
def test_lowering_leverage_may_use_the_gas_reserve(urgency: Urgency) -> None:
    lower = (0.1, 0.1, 0.1, 0.1)
    assert at_balance(GAS, lower, urgency).passed
    assert not at_balance(GAS - 10**15, lower, urgency).passed


@pytest.mark.parametrize(("rise", "levers"), [(0.0, False), (1e-10, False), (1e-8, True)])
def test_a_rise_of_leverage_by_more_than_rounding_is_levering(rise: float, levers: bool) -> None:
    position = a_position(a_snapshot(weights=target_weights()))
    first, *others = position.current.weights
    trade = consider(position, a_move((first + rise, *others)), OUT_OF_BAND)
    assert trade.raises_leverage is levers


def to_last_asset(change: float) -> tuple[float, ...]:
    return (*target_weights()[:3], target_weights()[3] + change)


@pytest.mark.parametrize(("change", "passed"), [(1.001e-4, True), (0.999e-4, False)])
def test_min_trade_just_met_and_just_missed(change: float, passed: bool) -> None:
    trade = a_trade(a_snapshot(weights=target_weights()), weights=to_last_asset(change))
    assert limit("min_trade", trade).passed is passed


@pytest.mark.parametrize(
    ("urgency", "base_fee_wei", "passed"),
    [(OUT_OF_BAND, 1, True), (OUT_OF_BAND, 20 * GWEI, False), (ROUTINE, 1, False)],
)
def test_below_the_minimum_only_an_out_of_band_trade_that_pays_for_its_gas_is_made(
    urgency: Urgency, base_fee_wei: int, passed: bool
) -> None:
    snapshot = with_block(a_snapshot(nav_usd=50.0), base_fee_wei=base_fee_wei)
    trade = a_trade(snapshot, urgency=urgency)
    assert (trade.benefit_usd > trade.cost_usd) is (base_fee_wei == 1)
    assert limit("min_trade", trade).passed is passed
    assert not limit("min_trade", replace(trade, benefit_usd=trade.cost_usd)).passed


def test_a_minimum_of_nothing_still_needs_a_trade() -> None:
    policy = a_policy(decision=a_decision_policy(min_trade_usd=0.0))
    snapshot = a_snapshot(weights=target_weights())
    now = a_position(snapshot, policy).current.weights
    assert not limit("min_trade", a_trade(snapshot, policy, weights=now)).passed


def test_benefit_exceeds_cost_is_asked_of_routine_trades() -> None:
    worth = limit("benefit_exceeds_cost", a_trade(urgency=ROUTINE))
    assert worth.passed
    slightly_off = a_snapshot(weights=[weight * 1.02 for weight in target_weights()])
    assert not limit("benefit_exceeds_cost", a_trade(slightly_off, urgency=ROUTINE)).passed


def test_benefit_must_be_more_than_the_cost() -> None:
    trade = a_trade(urgency=ROUTINE)
    assert not limit("benefit_exceeds_cost", replace(trade, benefit_usd=trade.cost_usd)).passed
    assert limit("benefit_exceeds_cost", replace(trade, benefit_usd=trade.cost_usd + 1e-6)).passed


def test_a_cost_of_each_assets_own_is_counted() -> None:
    dear = a_policy(assets=tuple(replace(asset, trade_cost_bps=200) for asset in a_policy().assets))
    usual, own = a_trade(urgency=ROUTINE), a_trade(policy=dear, urgency=ROUTINE)
    assert own.trade_cost_usd - usual.trade_cost_usd == pytest.approx(180e-4 * own.turnover * 1e6)
    assert own.benefit_usd == usual.benefit_usd


# ---------------------------------------------------------- after the trade


def shifted(*changes: float) -> tuple[float, ...]:
    return tuple(weight + change for weight, change in zip(target_weights(), changes, strict=True))


@pytest.mark.parametrize("urgency", [ROUTINE, OUT_OF_BAND])
def test_a_trade_must_lead_nearer_to_the_target(urgency: Urgency) -> None:
    snapshot = a_snapshot(weights=shifted(0.05, 0.0, 0.0, 0.0))

    def improved(change: float) -> Gate:
        return limit("improves", a_trade(snapshot, urgency=urgency, weights=shifted(change, 0.0, 0.0, 0.0)))

    assert improved(0.049).passed
    assert improved(-0.049).passed
    assert not improved(0.051).passed
    assert not improved(-0.051).passed
    assert improved(0.0).value == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(("queued", "passed"), [(0.0, False), (1e-7, False), (2e-6, True)])
def test_a_trade_that_raises_more_than_dust_for_redemptions_need_not_lead_nearer(
    queued: float, passed: bool
) -> None:
    snapshot = with_redemptions(a_snapshot(weights=shifted(0.05, 0.0, 0.0, 0.0)), queued)
    position = a_position(snapshot)
    gate = limit("improves", consider(position, a_move(position.current.weights), OUT_OF_BAND))
    assert gate.value == gate.limit
    assert gate.passed is passed


@pytest.mark.parametrize(("factor", "passed"), [(1.149, True), (1.151, False), (0.6, True), (0.5, True)])
def test_a_trade_must_not_end_past_the_other_edge_of_a_band(factor: float, passed: bool) -> None:
    # From half the target upwards: as far as 15 % above it.
    snapshot = a_snapshot(weights=[0.5 * weight for weight in target_weights()])
    goal = tuple(factor * weight for weight in target_weights())
    gate = limit("no_overshoot", a_trade(snapshot, weights=goal))
    assert gate.passed is passed
    assert passed or gate.detail.startswith(("leverage ends at 1.7", "volatility ends at 0.9"))


def test_a_trade_must_not_throw_another_asset_off_its_budget() -> None:
    snapshot = a_snapshot(weights=shifted(0.1, 0.0, 0.0, 0.0))
    gate = limit("no_overshoot", a_trade(snapshot, weights=shifted(0.0, 0.0, 0.1, 0.0)))
    assert not gate.passed
    assert gate.detail.startswith("LINK ends with ")


def test_a_trade_that_levers_must_not_end_below_the_alert_level() -> None:
    policy = a_policy(decision=a_decision_policy(alert_health_factor=2.5, safe_health_factor=3.0))
    up = limit("no_overshoot", a_trade(a_snapshot(weights=(0.2, 0.2, 0.2, 0.2)), policy))
    assert not up.passed
    assert "the health factor ends at 2.1" in up.detail
    down = limit("no_overshoot", a_trade(a_snapshot(weights=(0.6, 0.5, 0.4, 0.4)), policy))
    assert down.passed


def test_the_health_factor_where_a_trade_ends_counts_the_cash_to_hold() -> None:
    policy = a_policy(
        size=a_size_policy(idle_buffer=0.1), decision=a_decision_policy(alert_health_factor=3.0)
    )
    position = a_position(a_snapshot(weights=(0.2, 0.2, 0.2, 0.2)), policy)
    gate = limit("no_overshoot", consider(position, a_move((0.4, 0.4, 0.4, 0.4)), OUT_OF_BAND))
    secured = 0.4 * math.fsum(position.liquidation_thresholds)
    assert gate.value == pytest.approx(3.0 / (secured / (1.6 - 1.0 + 0.1)))


def test_a_trade_that_is_cut_short_is_judged_by_its_aim() -> None:
    position = a_position(a_snapshot(weights=shifted(0.2, 0.0, 0.0, 0.0)))
    stop = shifted(0.0, 0.0, 0.2, 0.0)
    cut_short = consider(position, a_move(stop, position.target.weights), OUT_OF_BAND)
    assert limit("no_overshoot", cut_short).passed
    assert not limit("no_overshoot", consider(position, a_move(stop), OUT_OF_BAND)).passed


# ------------------------------------------------------- limits by urgency


@pytest.mark.parametrize(
    "spoil",
    [
        lambda snapshot: with_feed(snapshot, "UNI", trust=Trust.STALE),
        lambda snapshot: with_reserve(snapshot, "UNI", market_price=10**8),
        lambda snapshot: replace(snapshot, sequencer=a_sequencer(up=False)),
        lambda snapshot: with_vault(snapshot, paused=True),
        lambda snapshot: replace(snapshot, keeper_has_role=False),
        lambda snapshot: replace(snapshot, keeper_balance_wei=0),
        lambda snapshot: with_vault(snapshot, last_rebalance=NOW),
        lambda snapshot: with_block(snapshot, base_fee_wei=10**12),
    ],
)
@pytest.mark.parametrize("urgency", [ROUTINE, OUT_OF_BAND])
def test_one_failed_limit_is_enough_to_hold_back(
    spoil: Callable[[MarketSnapshot], MarketSnapshot], urgency: Urgency
) -> None:
    trade = a_trade(spoil(a_snapshot()), urgency=urgency)
    assert [gate.name for gate in judged_limits(trade) if holds_back(gate, trade)]


def test_limits_follow_the_urgency_table() -> None:
    policy = with_limits(a_policy(), ROUTINE, cooldown_s=9 * DAY)
    assert not limit("cooldown", a_trade(policy=policy, urgency=ROUTINE)).passed
    assert limit("cooldown", a_trade(policy=policy, urgency=OUT_OF_BAND)).passed


def test_a_fallen_market_is_no_reason_for_a_gate_to_fail_by_itself() -> None:
    trade = a_trade(with_market_move(a_snapshot(weights=target_weights()), 0.8))
    assert [gate.name for gate in judged_limits(trade) if holds_back(gate, trade)] == []
