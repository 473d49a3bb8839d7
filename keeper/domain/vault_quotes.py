"""The price that the vault's contracts use for a token, and what is wrong with it (PriceBook and StepChecks.sol)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.market import MarketSnapshot
from keeper.domain.units import BPS, USD


class Fault(StrEnum):
    """IPriceBook.Fault: why a token's price cannot be used for everything."""

    NONE = "NONE"
    GAP = "GAP"
    VENUE_ONLY = "VENUE_ONLY"
    DEAD = "DEAD"


@dataclass(frozen=True, slots=True)
class VaultQuote:
    """IPriceBook.Quote, USD with 8 decimals. What comes counts at ``low``, what leaves at ``high``."""

    price: int
    low: int
    high: int
    fault: Fault
    why: str


def quoted(snapshot: MarketSnapshot, symbol: str, *, lowering: bool = False) -> VaultQuote:
    """PriceBook._quote of this block, and with ``lowering`` as StepChecks._price takes it for a deleverage."""
    feed, reserve = snapshot.feeds[snapshot.index(symbol)], snapshot.reserve(symbol)
    price, market = feed.price, reserve.market_price
    age = snapshot.block.timestamp - feed.round.updated_at
    if price > 0 and 0 <= age <= feed.max_age_s:
        low, high = (min(price, market), max(price, market)) if market > 0 else (price, price)
        if market > 0 and (high - low) * BPS <= market * snapshot.vault.policy.max_gap_bps:
            return VaultQuote(price, low, high, fault=Fault.NONE, why="")
        why = f"the prices of {symbol}, {price / USD:,.6g} and {market / USD:,.6g} USD, are too far apart"
        if lowering and market > 0:
            return VaultQuote(market, market, market, fault=Fault.GAP, why=why)
        return VaultQuote(price, low, high, fault=Fault.GAP, why=why)
    why = (
        f"{symbol} has no price"
        if price <= 0
        else f"the price of {symbol} is {age} s old, the vault accepts {feed.max_age_s} s"
    )
    independent = market > 0 and reserve.price_source.lower() != feed.feed.lower()
    used = market if independent or price <= 0 else price
    return VaultQuote(used, used, used, fault=Fault.VENUE_ONLY if independent else Fault.DEAD, why=why)


def is_tradable(snapshot: MarketSnapshot, symbol: str, *, lowering: bool) -> bool:
    """Whether a ``rebalance``, or with ``lowering`` a ``deleverage``, may swap the token."""
    quote = quoted(snapshot, symbol, lowering=lowering)
    return quote.fault is Fault.NONE or (lowering and quote.fault is not Fault.DEAD and quote.price > 0)
