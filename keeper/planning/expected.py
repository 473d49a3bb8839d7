"""The vault after a candidate plan whose swaps fill at their quotes."""

from __future__ import annotations

import math

from keeper.domain.plan import PostState
from keeper.domain.units import usd
from keeper.lending.book import LendingBook, after
from keeper.planning.candidates import CandidatePlan
from keeper.planning.context import PlanningContext


def expected_state(candidate: CandidatePlan, context: PlanningContext) -> PostState:
    """At the block's debt and the feeds' prices. The health factor is the venue's own."""
    snapshot = context.snapshot
    book = after(LendingBook.at_block(snapshot, context.venue, candidate.flash), candidate.steps)
    book.idle[context.cash] -= candidate.flash + candidate.premium
    values = [
        usd(book.idle[token.symbol] + book.supplied[token.symbol], token.decimals, feed.price)
        for token, feed in zip(snapshot.tokens, snapshot.feeds, strict=True)
    ]
    nav = math.fsum(values) - usd(book.owed, snapshot.debt_token.decimals, snapshot.feeds[0].price)
    gross = math.fsum(values[1:])
    return PostState(
        nav_usd=nav,
        leverage=gross / nav if nav > 0 else 0.0,
        health_factor=book.health_factor(),
        weights=tuple(value / nav if nav > 0 else 0.0 for value in values[1:]),
    )
