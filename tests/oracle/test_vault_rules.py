"""What the vault's contracts refuse, each just met and just missed. tests/chain has the same on the vault itself."""

from __future__ import annotations

import math

import pytest

from keeper.domain.market import Account, MarketSnapshot, Round
from keeper.domain.units import UINT256_MAX, WAD
from keeper.domain.vault_quotes import Fault, is_tradable, quoted
from keeper.oracle.vault_rules import (
    call_limits,
    counted_loss_usd,
    emergency_aim,
    in_emergency,
    lag_bps,
    rebalance_refusal,
    reserved_cash,
)
from tests.factories import (
    NOW,
    a_sequencer,
    a_snapshot,
    with_feed,
    with_holding,
    with_reserve,
    with_vault,
    with_vault_asset,
    with_vault_policy,
)

PRICE = 525_000_000
MAX_AGE_S = 4_500
DAY = 86_400


def held(answer: int = PRICE, updated_at: int = NOW, weight: float = 0.3) -> MarketSnapshot:
    snapshot = a_snapshot(weights=(0.5, 0.5, weight, 0.0))
    return with_feed(snapshot, "LINK", round=Round(1, answer, updated_at))


@pytest.mark.parametrize(
    ("snapshot", "refusal"),
    [
        (held(), ""),
        (held(updated_at=NOW - MAX_AGE_S), ""),
        (held(updated_at=NOW - MAX_AGE_S - 1), "the price of LINK is 4501 s old, the vault accepts 4500 s"),
        (held(updated_at=NOW + 1), "the price of LINK is -1 s old, the vault accepts 4500 s"),
        (held(answer=0), "LINK has no price"),
        (held(answer=-1), "LINK has no price"),
        (held(answer=PRICE * 102 // 100), ""),
        (
            held(answer=PRICE * 102 // 100 + 1),
            "the prices of LINK, 5.355 and 5.25 USD, are too far apart",
        ),
    ],
)
def test_a_price_of_what_is_traded_must_be_positive_young_and_near_the_markets(
    snapshot: MarketSnapshot, refusal: str
) -> None:
    assert rebalance_refusal(snapshot, ("WBTC", "LINK")) == refusal


def test_a_price_of_what_is_only_held_does_not_matter() -> None:
    assert rebalance_refusal(held(updated_at=0), ("WBTC", "WETH")) == ""


def test_the_accounting_asset_is_always_traded() -> None:
    snapshot = a_snapshot(weights=(0.8, 0.8, 0.0, 0.0))
    assert rebalance_refusal(with_feed(snapshot, "USDC", round=Round(1, 0, NOW)), ()) == "USDC has no price"


def test_a_gap_to_a_market_without_a_price_is_too_wide() -> None:
    assert "too far apart" in rebalance_refusal(with_reserve(held(), "LINK", market_price=0), ("LINK",))


@pytest.mark.parametrize(
    ("since", "up", "refused"), [(3_601, True, False), (3_600, True, True), (9_999, False, True)]
)
def test_the_sequencer_must_be_up_for_longer_than_its_grace_period(
    since: int, up: bool, refused: bool
) -> None:
    snapshot = a_snapshot(sequencer=a_sequencer(up=up, status_since=NOW - since))
    assert bool(rebalance_refusal(snapshot, ())) is refused


def test_a_stale_feed_is_replaced_by_a_market_that_reads_something_else() -> None:
    stale = held(updated_at=NOW - MAX_AGE_S - 1)
    quote = quoted(with_reserve(stale, "LINK", market_price=PRICE - 1), "LINK")
    assert (quote.price, quote.fault) == (PRICE - 1, Fault.VENUE_ONLY)
    assert is_tradable(stale, "LINK", lowering=True)
    assert not is_tradable(stale, "LINK", lowering=False)
    same = with_reserve(stale, "LINK", price_source=stale.feeds[stale.index("LINK")].feed)
    assert quoted(same, "LINK").fault is Fault.DEAD
    assert not is_tradable(same, "LINK", lowering=True)


def test_a_deleverage_sells_at_the_price_by_which_the_market_liquidates() -> None:
    apart = held(answer=PRICE * 11 // 10)
    assert quoted(apart, "LINK", lowering=True).high == PRICE
    assert quoted(apart, "LINK").high == PRICE * 11 // 10
    assert is_tradable(apart, "LINK", lowering=True)


# ---------------------------------------------------------------------- losses


def near(health: float) -> MarketSnapshot:
    snapshot = a_snapshot(weights=(0.9, 0.9, 0.1, 0.1))
    return a_snapshot(
        weights=(0.9, 0.9, 0.1, 0.1), account=Account(1, snapshot.account.debt_base, round(health * WAD))
    )


@pytest.mark.parametrize(("health", "emergency"), [(1.0499, True), (1.05, False), (UINT256_MAX / WAD, False)])
def test_an_emergency_begins_under_the_vaults_own_health(health: float, emergency: bool) -> None:
    assert in_emergency(near(health)) is emergency


def test_only_a_deleverage_in_an_emergency_is_free_of_the_windows() -> None:
    used = with_vault(near(1.04), used_daily_loss=0.029, used_daily_turnover=7.5)
    assert call_limits(used, lowering=True).loss == math.inf
    assert call_limits(used, lowering=False).loss == pytest.approx(0.001)
    assert call_limits(used, lowering=False).turnover == pytest.approx(0.5)
    calm = with_vault(near(1.06), used_daily_loss=0.0)
    assert call_limits(calm, lowering=True).loss == pytest.approx(0.01)


def test_an_emergency_call_is_planned_to_end_between_the_emergency_and_the_target() -> None:
    assert emergency_aim(near(1.04)) == pytest.approx(1.15 * 0.99)
    close = with_vault_policy(near(1.04), target_health=106 * WAD // 100)
    assert 1.05 < emergency_aim(close) < 1.06


def test_the_vault_counts_the_lag_of_what_comes_and_of_what_leaves() -> None:
    snapshot = with_vault_asset(with_vault_asset(a_snapshot(), "WETH", lag_bps=50), "USDC", lag_bps=25)
    bought = {"WETH": 10**18, "USDC": -1_650 * 10**6}
    expected = 1_650 * 1.0025 - 1_650 * 0.995
    assert counted_loss_usd(bought, snapshot, lowering=False) == pytest.approx(expected)


def test_what_comes_counts_at_the_lower_and_what_leaves_at_the_higher_price() -> None:
    snapshot = with_reserve(a_snapshot(), "WETH", market_price=1_660 * 10**8)
    sold = {"WETH": -(10**18), "USDC": 1_650 * 10**6}
    assert counted_loss_usd(sold, snapshot, lowering=False) == pytest.approx(10.0)
    bought = {"WETH": 10**18, "USDC": -1_650 * 10**6}
    assert counted_loss_usd(bought, snapshot, lowering=False) == pytest.approx(0.0)


def test_a_lag_contains_the_gap_between_feed_and_market() -> None:
    snapshot = with_vault_asset(a_snapshot(), "WETH", lag_bps=50)
    assert lag_bps(snapshot, "WETH") == 50.0
    apart = with_reserve(snapshot, "WETH", market_price=1_650 * 10**8 * 101 // 100)
    assert lag_bps(apart, "WETH") == pytest.approx(150.0)


def test_cash_that_the_line_needs_stays_idle_as_far_as_it_is_there() -> None:
    snapshot = with_vault(with_holding(a_snapshot(), "USDC", idle=500), reserved=700)
    assert reserved_cash(snapshot, lowering=False) == 500
    assert reserved_cash(with_vault(snapshot, reserved=300), lowering=True) == 300
    assert reserved_cash(with_vault(near(1.04), reserved=700), lowering=True) == 0
