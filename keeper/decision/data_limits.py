"""The limits on prices and on what else a look reads: each rule, and the judgement of prices."""

from __future__ import annotations

from keeper.decision import limits, missing
from keeper.decision.exits import is_below_rate
from keeper.decision.gate_result import GateResult
from keeper.decision.gate_rules import (
    EMERGENCY_ONLY,
    LEVERING,
    PLANNED,
    WITH_CLOCK,
    WITH_OPINIONS,
    WITH_VAULT_FIGURES,
    LimitRule,
)
from keeper.decision.trade_context import TradeContext
from keeper.domain.market import lowest_trust
from keeper.domain.prices import MARKET_CLOSED, is_doubted

MARKETS_OPEN = "markets_open"
SOLD_AT_RATE = "sold_at_rate"


def prices_fresh(trade: TradeContext) -> GateResult:
    feeds = trade.position.snapshot.feeds
    doubtful = [feed for feed in feeds if is_doubted(feed)]
    if not doubtful:
        return GateResult(0, 0, passed=True, detail=f"none of {len(feeds)} prices is in doubt")
    worst = lowest_trust(doubtful)
    detail = f"the price of {worst.symbol} is {worst.trust.value}: {worst.reason}"
    return GateResult(len(doubtful), 0, passed=False, detail=detail)


def markets_open(trade: TradeContext) -> GateResult:
    """A closed market is a normal state, so it stops a trade without an error's exit code."""
    closed = [feed.symbol for feed in trade.position.snapshot.feeds if feed.rule == MARKET_CLOSED]
    detail = "no market is closed without another source of its price"
    if closed:
        detail = f"the market of {', '.join(closed)} is closed, and no other source has a price"
    return GateResult(len(closed), 0, not closed, detail=detail)


def sold_at_rate(trade: TradeContext) -> GateResult:
    """A lost peg may come back. Who sells below the rate makes the loss certain."""
    feeds = {feed.symbol: feed for feed in trade.position.snapshot.feeds}
    below = [symbol for symbol in trade.sold if is_below_rate(feeds[symbol])]
    if not below:
        return GateResult(0, 0, passed=True, detail="nothing is sold below its rate of redemption")
    detail = f"{', '.join(below)} would be sold below the rate: {feeds[below[0]].reason}"
    return GateResult(len(below), 0, passed=False, detail=detail)


DATA_LIMITS = (
    LimitRule(
        "prices_fresh",
        prices_fresh,
        PLANNED,
        exit_code=4,
        meaning="every price is FRESH, or that of a closed market",
        kind=LEVERING,
    ),
    LimitRule(
        MARKETS_OPEN,
        markets_open,
        PLANNED,
        exit_code=0,
        meaning="no asset's price is the last one before its market closed (`market_closed`)",
        kind=LEVERING,
    ),
    LimitRule(
        SOLD_AT_RATE,
        sold_at_rate,
        PLANNED,
        exit_code=4,
        meaning="no asset is sold whose market pays less than the rate of redemption that its feed counts "
        "(`below_rate`)",
        kind=LEVERING,
    ),
    LimitRule(
        "price_to_sell_at",
        limits.price_to_sell_at,
        EMERGENCY_ONLY,
        exit_code=4,
        meaning="at least one asset has a price to sell at",
    ),
    LimitRule(
        "head_age",
        limits.head_age,
        PLANNED,
        exit_code=4,
        meaning="the block's time is near this machine's clock: chain and node move on, and the clock is right",
        condition=WITH_CLOCK,
        kind=LEVERING,
    ),
    LimitRule(
        "sequencer_up",
        limits.sequencer_up,
        PLANNED,
        exit_code=4,
        meaning="the L2 sequencer is up, and has been for longer than its grace period",
        kind=LEVERING,
    ),
    LimitRule(
        "oracle_gap",
        limits.oracle_gap,
        PLANNED,
        exit_code=4,
        meaning="the vault's feeds and the lending market's oracle agree",
        kind=LEVERING,
    ),
    LimitRule(
        "vault_agrees",
        limits.vault_agrees,
        PLANNED,
        exit_code=4,
        meaning="NAV, leverage and health factor are what the vault itself counts",
        kind=LEVERING,
        condition=WITH_VAULT_FIGURES,
    ),
    LimitRule(
        "information",
        missing.information,
        PLANNED,
        exit_code=4,
        meaning="nothing is missing that an earlier look at the data had, or that every look should have",
        kind=LEVERING,
    ),
    LimitRule(
        "second_opinions",
        limits.second_opinions,
        PLANNED,
        exit_code=4,
        meaning="every asset that is bought has `oracle.min_opinions` usable prices of other sources than its feed",
        kind=LEVERING,
        condition=WITH_OPINIONS,
    ),
    LimitRule(
        "vault_accepts",
        limits.vault_accepts,
        PLANNED,
        exit_code=4,
        meaning="the vault's `rebalance` accepts the sequencer and the prices of what is traded; or the trade only "
        "sells, and there is a debt that `deleverage` lowers",
    ),
)
