"""What the vault's own calls demand of prices and sequencer (deploy/contracts/vault/VaultOracle.sol).

``rebalance`` demands sound prices of all that the vault holds: positive, not older than the vault's own limit, not
from the future, near the lending market's. ``deleverage`` takes the last answers however old. An asset without a price
counts at the lending market's, and is not sold. ``deleverage`` demands a debt, because it must lower it.
"""

from __future__ import annotations

from keeper.domain.market import MarketSnapshot, Sequencer
from keeper.domain.units import BPS, USD, usd

DUST_USD = 1.0
"""A holding worth less does not count (VaultOracle.DUST_USD)."""


def rebalance_refusal(snapshot: MarketSnapshot) -> str:
    """Why the vault's ``rebalance`` would revert on this block's prices or sequencer. Empty if it would not."""
    now = snapshot.block.timestamp
    if snapshot.sequencer is not None and not sequencer_is_up(snapshot.sequencer, now):
        return "the sequencer is down, or its grace period is not over"
    return next((refusal for symbol in snapshot.symbols if (refusal := _price_refusal(snapshot, symbol))), "")


def sequencer_is_up(sequencer: Sequencer, now: int) -> bool:
    """Up, and for longer than the grace period. A status that was never set says nothing."""
    return sequencer.up and sequencer.status_since != 0 and now - sequencer.status_since > sequencer.grace_s


def _price_refusal(snapshot: MarketSnapshot, symbol: str) -> str:
    feed, market = snapshot.feeds[snapshot.index(symbol)], snapshot.reserve(symbol).market_price
    holding, token = snapshot.holding(symbol), snapshot.token(symbol)
    held = holding.idle + holding.supplied
    accounting = token == snapshot.debt_token
    if not accounting and (held == 0 or 0.0 < usd(held, token.decimals, feed.price) < DUST_USD):
        return ""
    age = snapshot.block.timestamp - feed.round.updated_at
    if feed.price <= 0:
        return f"{symbol} has no price"
    if not 0 <= age <= feed.max_age_s:
        return f"the price of {symbol} is {age} s old, the vault accepts {feed.max_age_s} s"
    gap = abs(feed.price - market)
    if gap * BPS > market * snapshot.vault.policy.max_oracle_gap_bps:
        return (
            f"the prices of {symbol}, {feed.price / USD:,.6g} and {market / USD:,.6g} USD, are too far apart"
        )
    return ""
