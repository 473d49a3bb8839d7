"""What may be sold at which trust of its price, and what that loses by the feed's price."""

from __future__ import annotations

from keeper.decision.position import VaultPosition
from keeper.domain.market import FeedReading, Trust
from keeper.domain.units import BPS
from keeper.domain.urgency import Urgency
from keeper.domain.vault_quotes import is_tradable
from keeper.oracle import rules


def is_below_rate(feed: FeedReading) -> bool:
    """Whether the market pays less than the rate of redemption that the feed counts, by more than its band."""
    return feed.rule == rules.BELOW_RATE.name


def may_be_sold(feed: FeedReading, urgency: Urgency) -> bool:
    """A DEAD price sells nothing. A planned sale at a STALE or SUSPECT price needs another source, and none is made
    below the rate of redemption. An EMERGENCY may do both (``lowered_weights``)."""
    if feed.trust is Trust.DEAD or (is_below_rate(feed) and urgency is not Urgency.EMERGENCY):
        return False
    return feed.trust is Trust.FRESH or urgency is Urgency.EMERGENCY or feed.lowest_opinion > 0


def sellable(position: VaultPosition, urgency: Urgency) -> frozenset[str]:
    """The risk assets that may be sold: those with a price for it that the vault's ``deleverage`` takes. Without any
    price of the accounting asset no proceeds can be counted."""
    snapshot = position.snapshot
    if not is_tradable(snapshot, snapshot.debt_token.symbol, lowering=True):
        return frozenset()
    return frozenset(
        feed.symbol
        for feed in snapshot.feeds[1:]
        if may_be_sold(feed, urgency) and is_tradable(snapshot, feed.symbol, lowering=True)
    )


def exit_losses_bps(position: VaultPosition) -> tuple[float, ...]:
    """Per asset of the model, what a sale at the most careful of all sources' prices loses by the vault's own prices,
    at which its limits on losses are judged. 0 where all prices are FRESH."""
    snapshot, cash = position.snapshot, position.snapshot.debt_token.symbol
    if snapshot.entry_price(cash) <= 0:
        return tuple(0.0 for _ in position.model.symbols)
    counted = snapshot.price(cash) / snapshot.entry_price(cash)
    return tuple(
        max(0.0, 1.0 - counted * snapshot.exit_price(symbol) / price) * BPS if price > 0 else 0.0
        for symbol, price in ((symbol, snapshot.price(symbol)) for symbol in position.model.symbols)
    )
