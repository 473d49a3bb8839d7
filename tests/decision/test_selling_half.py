"""The selling half of a trade whose buying half is held back: what it sells, what stops it, and what it says."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.decision.decide import decide
from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot, Round, Trust
from keeper.domain.observation import Observation
from keeper.domain.portfolio import portfolio
from keeper.domain.urgency import Urgency
from keeper.risk.contributions import volatility
from keeper.sizing.size import size
from keeper.sizing.tighten import tighten
from tests.decision.degraded import UNTRUSTED, Answer, answered, lowering_states
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    a_decision_policy,
    a_model,
    a_policy,
    a_sequencer,
    a_size_policy,
    a_snapshot,
    an_oracle_policy,
    with_feed,
    with_market_move,
    with_redemptions,
    with_reserve,
    with_vault,
)
from tests.planning.ledger import Ledger, at_its_limit
from tests.planning.plans import planned
from tests.properties import examples

SEED, STATES, SHARE = 14, 240, 0.95
NAMES = ("vault's rebalance reverts", "may not be sold, because its price is", "the trade costs")
"""Words of the reasons for which leverage is not lowered: a gate, a price or a check."""


def decided(snapshot: MarketSnapshot, *, missing: tuple[str, ...] = (), **observed: object) -> Decision:
    """By the factory's policy, but a second opinion is needed to buy and the clock is compared where it is given."""
    oracle = an_oracle_policy(min_opinions=1, max_head_age_s=180)
    policy, tightened = tighten(a_policy(oracle=oracle), snapshot.vault)
    observation = Observation(snapshot, **observed)  # type: ignore[arg-type]
    target = replace(size(a_model(), observation, policy), missing=missing)
    return decide(observation, a_model(), target, policy=policy, tightened=tightened)


def overlevered(weights: Sequence[float] = (0.9, 0.5, 0.3, 0.2), **changes: object) -> MarketSnapshot:
    """Of WBTC there is too much, of UNI too little, and leverage is too high."""
    return a_snapshot(weights=weights, **changes)  # type: ignore[arg-type]


def untrusted(snapshot: MarketSnapshot, symbol: str, trust: Trust, opinion: bool = False) -> MarketSnapshot:
    price = snapshot.price(symbol) if opinion else 0
    return with_feed(
        snapshot, symbol, trust=trust, reason=f"{symbol}: why", lowest_opinion=price, highest_opinion=price
    )


# ------------------------------------------------------------------- the share


@pytest.fixture(scope="module")
def answers() -> tuple[Answer, ...]:
    return tuple(answered(state) for state in lowering_states(SEED, STATES))


@pytest.mark.slow
def test_with_one_feed_not_trusted_leverage_falls_in_nineteen_of_twenty_states(
    answers: tuple[Answer, ...], show: Callable[[str], None]
) -> None:
    lowered = [answer for answer in answers if not answer.why]
    show(table(answers))
    assert len(lowered) >= SHARE * len(answers)
    assert {answer.state.trust for answer in lowered} == set(UNTRUSTED)


def test_where_leverage_does_not_fall_a_gate_a_price_or_a_check_is_named(answers: tuple[Answer, ...]) -> None:
    unnamed = [answer.why for answer in answers if answer.why and not any(n in answer.why for n in NAMES)]
    assert unnamed == []


def test_nothing_is_bought_and_no_dead_asset_is_sold(answers: tuple[Answer, ...]) -> None:
    for answer in answers:
        if answer.decision.goal is None:
            continue
        weights = zip(
            answer.decision.goal.symbols,
            answer.decision.current.weights,
            answer.decision.goal.weights,
            strict=True,
        )
        for symbol, now, goal in weights:
            assert goal <= now
            if symbol == answer.state.symbol and answer.state.trust is Trust.DEAD:
                assert goal == now


def table(answers: Sequence[Answer]) -> str:
    total = Counter(answer.state.trust for answer in answers)
    lowered = Counter(answer.state.trust for answer in answers if not answer.why)
    rows = [f"| {trust} | {total[trust]} | {lowered[trust] / total[trust]:.1%} |" for trust in UNTRUSTED]
    whole = sum(lowered.values()) / len(answers)
    return "\n".join(
        (
            "| one feed is | states | leverage is lowered in |",
            "|---|---|---|",
            *rows,
            f"| any | {len(answers)} | {whole:.1%} |",
        )
    )


# ----------------------------------------------------------------- what it sells


@pytest.mark.parametrize("trust", UNTRUSTED)
def test_what_is_trusted_is_sold_and_nothing_is_bought(trust: Trust) -> None:
    snapshot = untrusted(overlevered(), "LINK", trust)
    decision = decided(snapshot)
    assert decision.action is Action.REBALANCE
    assert decision.sells_only
    assert decision.goal is not None
    assert decision.goal.weights[0] < decision.current.weights[0]
    assert decision.goal.weights[2:] == decision.current.weights[2:]
    assert decision.goal.leverage < portfolio(snapshot).leverage
    assert volatility(decision.goal.weights, a_model().covariance) <= decision.current.volatility
    assert decision.exit_code == 0


def test_each_weight_is_the_lower_of_now_and_the_target() -> None:
    snapshot = overlevered()
    whole, half = decided(snapshot, second_opinions=all_have(1)), decided(snapshot, missing=("bars:UNI",))
    assert not whole.sells_only
    assert whole.goal is not None
    assert half.goal is not None
    assert half.goal.weights == tuple(map(min, whole.current.weights, whole.goal.weights))


@pytest.mark.parametrize("trust", [Trust.STALE, Trust.SUSPECT])
def test_a_doubtful_asset_is_sold_only_where_another_source_has_a_price(trust: Trust) -> None:
    alone = decided(untrusted(overlevered(), "WBTC", trust))
    confirmed = decided(untrusted(overlevered(), "WBTC", trust, opinion=True))
    assert alone.goal is None or alone.goal.weights[0] == alone.current.weights[0]
    assert confirmed.goal is not None
    assert confirmed.goal.weights[0] < confirmed.current.weights[0]


def test_what_a_sale_loses_by_the_vaults_own_price_counts_for_the_vaults_limit() -> None:
    snapshot = untrusted(overlevered(), "WBTC", Trust.SUSPECT, opinion=True)
    cheap = with_feed(snapshot, "WBTC", lowest_opinion=snapshot.price("WBTC") * 8 // 10)
    whole, part = decided(snapshot), decided(cheap)
    assert part.action is Action.ITERATE
    assert whole.goal is not None
    assert part.goal is not None
    assert whole.goal.leverage < part.goal.leverage < portfolio(cheap).leverage
    sold = part.current.weights[0] - part.goal.weights[0]
    assert 0.2 * sold <= cheap.vault.policy.max_loss_bps / 1e4


# ---------------------------------------------------------------- what it says


def test_the_reason_names_what_held_back_the_buying_half() -> None:
    reason = decided(untrusted(overlevered(), "LINK", Trust.STALE)).reason
    assert reason.startswith("REBALANCE: ")
    assert reason.endswith("by sales alone, because the price of LINK is STALE: LINK: why.")


def test_where_only_a_doubtful_asset_is_above_its_aim_its_price_is_named() -> None:
    snapshot = untrusted(overlevered((1.6, 0.2, 0.1, 0.1)), "WBTC", Trust.SUSPECT)
    decision = decided(snapshot)
    assert (decision.action, decision.exit_code) == (Action.HOLD, 4)
    assert "WBTC may not be sold, because its price is SUSPECT" in decision.reason


def test_a_limit_that_stops_the_selling_half_is_named_beside_the_doubt() -> None:
    snapshot = with_vault(untrusted(overlevered(), "LINK", Trust.STALE), last_rebalance=NOW - 60)
    decision = decided(snapshot)
    assert (decision.action, decision.exit_code) == (Action.HOLD, 4)
    assert "the price of LINK is STALE" in decision.reason
    assert "to sell alone is stopped: last rebalance 0.02 h ago" in decision.reason


def test_a_hold_without_anything_to_sell_names_the_doubt_alone() -> None:
    decision = decided(untrusted(a_snapshot(), "UNI", Trust.STALE))
    assert (decision.action, decision.exit_code) == (Action.HOLD, 4)
    assert decision.reason.endswith("but the price of UNI is STALE: UNI: why.")


# ------------------------------------------------------------------- which doubts


def all_have(count: int) -> dict[str, int]:
    return dict.fromkeys(("USDC", "WBTC", "WETH", "LINK", "UNI"), count)


def far_from_the_market() -> MarketSnapshot:
    snapshot = overlevered()
    return with_reserve(snapshot, "LINK", market_price=snapshot.price("LINK") * 105 // 100)


@pytest.mark.parametrize(
    ("snapshot", "observed", "gate"),
    [
        (overlevered(sequencer=a_sequencer(up=False)), {}, "sequencer_up"),
        (overlevered(), {"read_at": NOW + 9_999.0}, "head_age"),
        (overlevered(), {"missing": ("implied:ETH",)}, "information"),
        (overlevered(), {"second_opinions": all_have(0)}, "second_opinions"),
        (far_from_the_market(), {}, "oracle_gap"),
    ],
)
def test_no_doubt_about_data_blocks_the_way_down(
    snapshot: MarketSnapshot, observed: dict[str, object], gate: str
) -> None:
    decision = decided(snapshot, **observed)  # type: ignore[arg-type]
    failed = [found.name for found in decision.gates if found.kind == "levering" and not found.passed]
    assert failed == [gate]
    assert decision.sells_only
    assert decision.action is Action.REBALANCE
    empty = replace(snapshot, holdings=a_snapshot().holdings, account=a_snapshot().account)
    up = decided(empty, **observed)  # type: ignore[arg-type]
    assert (up.action, up.exit_code) == (Action.HOLD, 4)


def test_an_asset_with_enough_second_opinions_may_be_bought() -> None:
    assert decided(a_snapshot(), second_opinions=all_have(1)).action is Action.REBALANCE
    one_lacks = all_have(1) | {"UNI": 0}
    decision = decided(a_snapshot(), second_opinions=one_lacks)
    assert decision.action is Action.HOLD
    assert "bought with the fewest second opinions: UNI, 0, at least 1" in decision.reason


def test_a_vault_without_debt_cannot_sell_while_the_vault_refuses_a_price() -> None:
    snapshot = untrusted(a_snapshot(weights=(0.9, 0.0, 0.0, 0.05)), "WBTC", Trust.STALE, opinion=True)
    assert decided(snapshot).sells_only
    old = Round(1, snapshot.price("WBTC"), NOW - DAY)
    decision = decided(with_feed(snapshot, "WBTC", round=old))
    assert (decision.action, decision.exit_code) == (Action.HOLD, 4)
    assert "there is no debt for its deleverage to lower" in decision.reason


# ------------------------------------------------------------- redemptions that wait


def waiting(leverage: float, part: float, waited_s: int = 2 * DAY) -> MarketSnapshot:
    return with_redemptions(a_snapshot(weights=(0.3, 0.3, 0.2, 0.2), leverage=leverage), part, waited_s)


def carried_out(decision: Decision, snapshot: MarketSnapshot) -> Ledger:
    """Its plan, every swap at its limit."""
    ledger = Ledger(snapshot)
    ledger.run(planned(decision, snapshot, a_policy()), at_its_limit)
    return ledger


@examples(60)
@given(st.floats(0.3, 1.9), st.floats(0.02, 0.95))
def test_what_waits_too_long_is_raised_by_sales_alone(leverage: float, part: float) -> None:
    """The target would raise it with new debt, which a levering gate forbids."""
    snapshot = waiting(leverage, part)
    decision = decided(snapshot, missing=("bars:UNI",))
    if decision.goal is None:
        assert snapshot.holdings[0].idle >= snapshot.redemptions.value
        return
    assert decision.sells_only
    assert decision.action is Action.REBALANCE
    after = carried_out(decision, snapshot)
    assert after.idle["USDC"] >= snapshot.redemptions.value
    assert after.debt <= snapshot.holdings[0].owed
    assert after.health_factor() >= a_policy().size.min_health_factor


def test_what_waits_for_a_shorter_time_is_raised_as_far_as_the_target_sells() -> None:
    early, late = waiting(1.0, 0.4, HOUR), waiting(1.0, 0.4)
    soon, then = (decided(snapshot, missing=("bars:UNI",)) for snapshot in (early, late))
    assert soon.goal is not None
    assert then.goal is not None
    assert then.goal.leverage < 0.6 < 0.9 < soon.goal.leverage
    assert decided(waiting(1.0, 0.05, HOUR), missing=("bars:UNI",)).action is Action.HOLD


def test_debt_that_less_collateral_would_not_carry_is_repaid_before_redemptions() -> None:
    """At a floor of 1.9 a vault of health factor 1.99 cannot sell a tenth of its collateral for cash alone."""
    snapshot = waiting(1.67, 0.1)
    floor = 0.95 * portfolio(snapshot).health_factor
    size_policy = a_size_policy(min_health_factor=floor, target_volatility=9.0, max_leverage=1.67)
    policy, tightened = tighten(a_policy(size=size_policy), snapshot.vault)
    observation = Observation(snapshot)
    target = replace(size(a_model(), observation, policy), missing=("bars:UNI",))
    decision = decide(observation, a_model(), target, policy=policy, tightened=tightened)
    assert decision.goal is not None
    after = Ledger(snapshot)
    after.run(planned(decision, snapshot, policy), at_its_limit)
    assert after.debt < snapshot.holdings[0].owed
    assert after.idle["USDC"] >= snapshot.redemptions.value
    assert after.health_factor() >= floor * (1.0 - 20e-4)


def test_a_deleverage_raises_nothing_for_redemptions() -> None:
    """It repays debt with what it sells."""
    snapshot = waiting(1.3, 0.4)
    old = Round(1, snapshot.price("WBTC"), NOW - DAY)
    old_price = with_feed(
        snapshot, "WBTC", round=old, trust=Trust.STALE, lowest_opinion=snapshot.price("WBTC")
    )
    fresh, aged = decided(snapshot, missing=("bars:UNI",)), decided(old_price)
    assert fresh.goal is not None
    assert aged.goal is not None
    assert aged.goal.leverage > fresh.goal.leverage


# --------------------------------------------------------------- the alert level


@pytest.mark.parametrize("trust", UNTRUSTED)
def test_below_the_alert_level_what_is_trusted_is_lowered_to_the_safe_level(trust: Trust) -> None:
    snapshot = with_market_move(a_snapshot(weights=(0.5, 0.5, 0.5, 0.5)), 0.83)
    policy = a_decision_policy()
    factor = portfolio(snapshot).health_factor
    assert policy.act_health_factor < factor < policy.alert_health_factor
    decision = decided(untrusted(snapshot, "LINK", trust))
    assert decision.urgency is Urgency.OUT_OF_BAND
    assert decision.sells_only
    assert decision.goal is not None
    kept = [goal / now for goal, now in zip(decision.goal.weights, decision.current.weights, strict=True)]
    assert kept[2] == 1.0
    assert kept[0] == pytest.approx(kept[1])
    assert kept[0] == pytest.approx(kept[3])
    assert health_factor_after(snapshot, decision, 0.0075 + 0.002) == pytest.approx(policy.safe_health_factor)


def health_factor_after(snapshot: MarketSnapshot, decision: Decision, lost: float) -> float:
    assert decision.goal is not None
    held = portfolio(snapshot)
    thresholds = [reserve.liquidation_threshold_bps / 1e4 for reserve in snapshot.reserves[1:]]
    secured = math.fsum(
        weight * held.nav_usd * threshold
        for weight, threshold in zip(decision.goal.weights, thresholds, strict=True)
    )
    sold = (held.leverage - decision.goal.leverage) * held.nav_usd
    return secured / (held.debt_usd - (1.0 - lost) * sold)


@pytest.mark.parametrize("factor", [1.0, 0.7])
def test_without_any_price_of_the_accounting_asset_nothing_is_sold(factor: float) -> None:
    snapshot = with_market_move(a_snapshot(weights=(0.5, 0.5, 0.5, 0.5)), factor)
    snapshot = untrusted(with_feed(snapshot, "USDC", round=Round(1, 0, NOW)), "USDC", Trust.DEAD)
    assert decided(snapshot).goal is not None  # at the lending market's price
    decision = decided(with_reserve(snapshot, "USDC", market_price=0))
    assert (decision.action, decision.exit_code) == (Action.HOLD, 4)


# ---------------------------------------------------------- what is not sold


@examples(40)
@given(
    weights=st.tuples(*[st.floats(0.1, 1.2)] * 4),
    place=st.integers(0, 3),
    factor=st.floats(0.0, 3.0),
)
def test_what_is_kept_in_doubt_is_no_larger_danger_whatever_its_price_is(
    weights: tuple[float, float, float, float], place: int, factor: float
) -> None:
    """Its part of what is left rises, but not what the vault can lose by it."""
    symbol = ("WBTC", "WETH", "LINK", "UNI")[place]
    snapshot = untrusted(overlevered(weights), symbol, Trust.SUSPECT)
    decision = decided(snapshot)
    if decision.goal is None or decision.action is Action.RIPCORD:
        return
    goal, now = decision.goal.weights, decision.current.weights
    thresholds = [snapshot.reserve(each).liquidation_threshold_bps / 10_000 for each in decision.goal.symbols]

    def margin(held: Sequence[float]) -> float:
        """Collateral at its thresholds less debt, in NAVs, at the price that turns out."""
        true = [weight * (factor if i == place else 1.0) for i, weight in enumerate(held)]
        secured = math.fsum(weight * threshold for weight, threshold in zip(true, thresholds, strict=True))
        return secured - (math.fsum(held) - 1.0)

    assert goal[place] == now[place]
    assert margin(goal) >= margin(now)
