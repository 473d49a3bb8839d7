"""Limits on prices, the sequencer, the market's opinion and the age of the head."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keeper.decision.gate_rules import LEVERING
from keeper.decision.gates import LIMITS, holds_back, judged_limits
from keeper.decision.trade_context import TradeContext, consider
from keeper.domain.market import MarketSnapshot, Round, Trust
from keeper.domain.portfolio import portfolio
from keeper.domain.urgency import Urgency
from keeper.domain.vault_figures import VaultFigures
from tests.decision.gate_cases import OUT_OF_BAND, a_trade, limit, passes
from tests.decision.positions import a_move, a_position
from tests.factories import (
    NOW,
    RISK_SYMBOLS,
    a_policy,
    a_sequencer,
    a_snapshot,
    an_oracle_policy,
    with_feed,
    with_holding,
    with_morpho_account,
    with_reserve,
)


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


@pytest.mark.parametrize(("missing", "passed"), [((), True), (("implied:ETH", "bars:UNI"), False)])
def test_information_needs_a_target_that_misses_nothing(missing: tuple[str, ...], passed: bool) -> None:
    whole = a_position()
    position = a_position(target=replace(whole.target, missing=missing))
    gate = limit("information", consider(position, a_move(position.target.weights), OUT_OF_BAND))
    assert gate.passed is passed
    assert gate.detail == ("no information is missing" if passed else "missing: implied:ETH, bars:UNI")


@pytest.mark.parametrize(("count", "passed"), [(2, True), (1, False), (0, False)])
def test_second_opinions_are_needed_of_what_is_bought(count: int, passed: bool) -> None:
    policy = a_policy(oracle=an_oracle_policy(min_opinions=2))
    held = a_snapshot(weights=(0.2, 0.2, 0.2, 0.2))
    counts = {"WBTC": 9, "WETH": 9, "LINK": count, "UNI": 9}
    position = a_position(held, policy, second_opinions=counts)
    bought = consider(position, a_move((0.2, 0.2, 0.3, 0.1)), OUT_OF_BAND)
    assert limit("second_opinions", bought).passed is passed
    assert limit("second_opinions", bought).value == count
    sold = consider(position, a_move((0.3, 0.3, 0.1, 0.2)), OUT_OF_BAND)
    assert limit("second_opinions", sold).passed


def test_second_opinions_are_not_judged_where_none_are_kept() -> None:
    assert "second_opinions" not in {gate.name for gate in judged_limits(a_trade())}


def test_the_vault_accepts_sales_alone_where_there_is_debt() -> None:
    stale = with_feed(a_snapshot(weights=(0.4,) * 4), "WBTC", round=Round(1, 2_510_000_000_000, 0))
    for snapshot, sells_only, passed in (
        (a_snapshot(weights=(0.4,) * 4), False, True),
        (with_feed(a_snapshot(weights=(0.4,) * 4), "UNI", round=Round(1, 430_000_000, 0)), False, True),
        (stale, False, False),
        (stale, True, True),
        (with_holding(stale, "USDC", owed=0), True, False),
    ):
        move = replace(a_move((0.3, 0.4, 0.4, 0.4)), sells_only=sells_only)
        gate = limit("vault_accepts", consider(a_position(snapshot), move, OUT_OF_BAND))
        assert gate.passed is passed, gate.detail


@pytest.mark.parametrize("name", ["prices_fresh", "oracle_gap", "head_age", "sequencer_up"])
def test_a_gate_about_data_stops_a_trade_that_buys_anything_and_none_that_only_sells(name: str) -> None:
    rule = next(rule for rule in LIMITS if rule.name == name)
    held = a_snapshot(weights=(0.5, 0.5, 0.3, 0.3))
    failed = replace(limit("keeper_role", a_trade()), name=name, kind=rule.kind, passed=False)
    for weights, stopped in (((0.4, 0.5, 0.3, 0.3), False), ((0.4, 0.55, 0.3, 0.3), True)):
        assert holds_back(failed, a_trade(held, weights=weights)) is stopped


def counted(snapshot: MarketSnapshot, **changes: float) -> MarketSnapshot:
    """With the vault's own figures, which agree but for the changes."""
    held = portfolio(snapshot)
    return replace(
        snapshot,
        vault_figures=replace(VaultFigures(held.nav_usd, held.leverage, held.health_factor), **changes),
    )


LEVERED = (0.4, 0.4, 0.4, 0.4)


@pytest.mark.parametrize(("nav", "passed"), [(1_005_025.0, True), (1_005_026.0, False), (995_025.0, True)])
def test_vault_agrees_just_met_and_just_missed(nav: float, passed: bool) -> None:
    assert passes("vault_agrees", counted(a_snapshot(weights=LEVERED), nav_usd=nav)) is passed


def test_vault_agrees_compares_leverage_and_health_too() -> None:
    snapshot = a_snapshot(weights=LEVERED)
    assert passes("vault_agrees", counted(snapshot))
    for changes in ({"leverage": 1.62}, {"health_factor": 1.9}):
        gate = limit("vault_agrees", a_trade(counted(snapshot, **changes)))
        assert not gate.passed
        assert gate.kind == LEVERING
        assert "by the vault's" in gate.detail


def test_without_the_vaults_figures_nobody_compares() -> None:
    assert all(gate.name != "vault_agrees" for gate in judged_limits(a_trade(a_snapshot())))


def unnamed_uni(weight: float) -> TradeContext:
    """Of a vault that holds UNI, which the settings do not name."""
    policy = a_policy()
    policy = replace(policy, assets=policy.assets[:-1]).covering(RISK_SYMBOLS)
    return a_trade(a_snapshot(weights=(0.3, 0.3, 0.3, weight)), policy)


@pytest.mark.parametrize(("weight", "passed"), [(0.0099, True), (0.0101, False), (0.313, False)])
def test_assets_named_just_met_and_just_missed(weight: float, passed: bool) -> None:
    gate = limit("assets_named", unnamed_uni(weight))
    assert gate.passed is passed
    assert f"the vault holds UNI, {weight:.2%} of NAV, which no [[assets]] table names" in gate.detail


def test_assets_named_stops_sales_but_no_emergency() -> None:
    trade = unnamed_uni(0.313)
    assert holds_back(limit("assets_named", trade), trade)
    emergency = replace(trade, urgency=Urgency.EMERGENCY)
    assert all(gate.name != "assets_named" for gate in judged_limits(emergency))
    assert passes("assets_named", a_snapshot())


@pytest.mark.parametrize("part", [0.0, 0.9, 1.1])
def test_the_oracle_of_every_account_that_is_used_must_agree(part: float) -> None:
    """Morpho's market has an oracle of its own, which the first account's venue does not know."""
    first = a_snapshot(weights=(0.25, 0.25, 0.25, 0.25), leverage=1.2)

    def at(supplied: float, owed: float) -> MarketSnapshot:
        snapshot = with_morpho_account(first, "WETH", supplied, owed)
        other = snapshot.others[0]
        assert other.venue.market is not None
        market = replace(other.venue.market, price=round(other.venue.market.price * part))
        return replace(snapshot, others=(replace(other, venue=replace(other.venue, market=market)),))

    assert limit("oracle_gap", a_trade(at(0.0, 0.0))).passed
    used = limit("oracle_gap", a_trade(at(5_000.0, 2_000.0)))
    assert not used.passed
    assert "WETH: feed and the oracle of account 1" in used.detail
    assert limit("oracle_gap", a_trade(with_morpho_account(first, "WETH", 5_000.0, 2_000.0))).passed
