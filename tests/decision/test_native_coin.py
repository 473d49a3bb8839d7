"""Gas is priced by the chain's native coin, by a feed of its own, whatever the vault holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.decision import Action
from keeper.domain.market import MarketSnapshot, Round, Trust
from keeper.domain.native_coin import COIN, KNOWN_S, estimated_usd, usd_of_wei
from keeper.domain.units import USD, WAD
from tests.decision.decided import decided, fallen
from tests.decision.gate_cases import OUT_OF_BAND, ROUTINE, a_trade, limit
from tests.factories import (
    NOW,
    a_decision_policy,
    a_feed,
    a_plan_policy,
    a_policy,
    a_snapshot,
    with_block,
)

ETH_USD = 2_345.0
GONE: dict[str, Any] = {
    "round": Round(0, 0, 0),
    "trust": Trust.DEAD,
    "reason": "ETH: the feed returns no round",
}


def with_coin(snapshot: MarketSnapshot, **changes: Any) -> MarketSnapshot:
    last = Round(7, round(ETH_USD * USD), NOW - 60)
    coin = replace(a_feed("WETH"), symbol=COIN, feed="0xE7", round=last)
    return replace(snapshot, native_coin=replace(coin, **changes))


def without(symbol: str, snapshot: MarketSnapshot) -> MarketSnapshot:
    keep = [place for place, known in enumerate(snapshot.symbols) if known != symbol]
    return replace(
        snapshot,
        tokens=tuple(snapshot.tokens[place] for place in keep),
        feeds=tuple(snapshot.feeds[place] for place in keep),
        reserves=tuple(snapshot.reserves[place] for place in keep),
        holdings=tuple(snapshot.holdings[place] for place in keep),
    )


@pytest.mark.parametrize("held", ["WETH", "WBTC"])
def test_the_price_is_that_of_the_coins_feed_whatever_the_vault_holds(held: str) -> None:
    lacking = without("WETH" if held == "WBTC" else "WBTC", a_snapshot())
    assert usd_of_wei(WAD, with_coin(lacking), "WETH") == ETH_USD
    assert estimated_usd(WAD, with_coin(lacking), "WETH") == ETH_USD


def test_a_record_without_the_coins_feed_counts_as_it_did() -> None:
    snapshot = a_snapshot()
    price = snapshot.price("WETH") / USD
    stale = replace(snapshot, feeds=tuple(replace(feed, trust=Trust.STALE) for feed in snapshot.feeds))
    assert usd_of_wei(WAD, snapshot, "WETH") == usd_of_wei(WAD, stale, "WETH") == price
    assert "gas_priced" not in [gate.name for gate in decided(drifted()).gates]


def last_answered(age_s: int) -> dict[str, Any]:
    return {"trust": Trust.STALE, "round": Round(7, round(ETH_USD * USD), NOW - age_s)}


def test_an_old_price_counts_twice_for_a_week() -> None:
    assert usd_of_wei(WAD, with_coin(a_snapshot(), **last_answered(KNOWN_S)), "WETH") == 2 * ETH_USD
    assert estimated_usd(WAD, with_coin(a_snapshot(), **last_answered(KNOWN_S)), "WETH") == 2 * ETH_USD


@pytest.mark.parametrize("changes", [last_answered(KNOWN_S + 1), {"trust": Trust.SUSPECT}, GONE])
def test_a_price_that_is_too_old_or_doubtful_is_unknown(changes: dict[str, Any]) -> None:
    assert usd_of_wei(1, with_coin(a_snapshot(), **changes), "WETH") == float("inf")
    assert estimated_usd(WAD, with_coin(a_snapshot(), **changes), "WETH") == 0.0


def test_so_is_the_price_of_a_token_that_the_vault_of_an_old_record_lacks() -> None:
    assert usd_of_wei(1, without("WETH", a_snapshot()), "WETH") == float("inf")
    assert estimated_usd(WAD, without("WETH", a_snapshot()), "WETH") == 0.0


def drifted() -> MarketSnapshot:
    """A drift that a routine trade corrects where trading is cheap."""
    return with_block(a_snapshot(weights=(0.6, 0.3, 0.3, 0.3)), base_fee_wei=1)


def test_without_the_price_no_routine_trade_is_made_and_the_reason_says_so() -> None:
    policy = a_policy(decision=a_decision_policy(trade_cost_bps=1))
    known = decided(with_coin(drifted()), policy)
    assert (known.action, known.urgency) == (Action.REBALANCE, ROUTINE)
    held = decided(with_coin(drifted(), **GONE), policy)
    assert (held.action, held.exit_code) == (Action.HOLD, 4)
    assert "what gas costs in USD is uncertain" in held.reason
    assert "the feed returns no round" in held.reason


@pytest.mark.parametrize("changes", [{"trust": Trust.STALE}, {"trust": Trust.SUSPECT}, GONE])
def test_a_routine_trade_sells_without_the_price_and_does_not_buy(changes: dict[str, Any]) -> None:
    policy = a_policy(decision=a_decision_policy(trade_cost_bps=1))
    levered = with_block(a_snapshot(weights=(0.7, 0.5, 0.4, 0.3)), base_fee_wei=1)
    known = decided(with_coin(levered), policy)
    assert (known.action, known.urgency, known.sells_only) == (Action.REBALANCE, ROUTINE, False)
    sold = decided(with_coin(levered, **changes), policy)
    assert (sold.action, sold.urgency, sold.sells_only) == (Action.REBALANCE, ROUTINE, True)
    assert "by sales alone, because what gas costs in USD is uncertain" in sold.reason
    assert sold.expected_cost_usd < float("inf")


def test_a_small_trade_out_of_band_counts_gas_at_an_old_price() -> None:
    small = replace(a_snapshot(), holdings=a_snapshot(nav_usd=50.0).holdings)
    cheap = with_block(with_coin(small, trust=Trust.STALE), base_fee_wei=1)
    trade = a_trade(cheap, urgency=OUT_OF_BAND)
    assert trade.gas_cost_usd == pytest.approx(trade.gas_cost_wei / WAD * 2 * ETH_USD)
    assert limit("min_trade", replace(trade, benefit_usd=trade.cost_usd + 1.0)).passed


def test_a_trade_out_of_band_goes_on_but_a_small_one_does_not_count_as_paying() -> None:
    unknown = with_coin(a_snapshot(), **GONE)
    assert decided(unknown).action is Action.REBALANCE
    small = a_trade(replace(unknown, holdings=a_snapshot(nav_usd=50.0).holdings), urgency=OUT_OF_BAND)
    assert not limit("min_trade", small).passed


@pytest.mark.parametrize("changes", [{"trust": Trust.STALE}, GONE])
def test_an_emergency_never_waits_for_it(changes: dict[str, Any]) -> None:
    assert decided(with_coin(fallen(), **changes)).action is Action.RIPCORD
    unnamed = a_policy(plan=a_plan_policy(gas_usd_price_symbol="DOGE"))
    assert decided(fallen(), unnamed).action is Action.RIPCORD


def test_the_cost_of_a_trade_counts_the_coin_and_not_an_asset() -> None:
    snapshot = with_coin(a_snapshot())
    trade = a_trade(snapshot, urgency=ROUTINE)
    assert trade.gas_cost_usd == pytest.approx(trade.gas_cost_wei / WAD * ETH_USD)
