"""Which differences between two blocks need a cycle before the schedule's next one.

The watch trades nothing and judges nothing further. The cycle that it asks for reads, checks and decides as any other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from keeper.domain.accounts import accounts
from keeper.domain.block_look import BlockLook, WatchCause, WatchFinding
from keeper.domain.market import MarketSnapshot
from keeper.domain.units import health_factor_of

FURTHER_FALL = 0.005
"""While the health factor is below its limit, the part by which it must fall before the watch asks again."""


def findings(
    now: BlockLook, before: BlockLook, *, health_factor: float, price_move: float
) -> tuple[WatchFinding, ...]:
    """Differences of ``now`` from what the last cycle saw. ``health_factor`` is the level below which the keeper acts,
    ``price_move`` a fraction."""
    return tuple(_findings(now, before, health_factor=health_factor, price_move=price_move))


def _findings(
    now: BlockLook, before: BlockLook, *, health_factor: float, price_move: float
) -> Iterator[WatchFinding]:
    for place, factor in now.health_factors.items():
        known_factor = before.health_factors.get(place, math.inf)
        if fell_below(factor, known_factor, health_factor):
            of = f" of account {place}" if len(now.health_factors) > 1 else ""
            yield WatchFinding(
                WatchCause.HEALTH_FACTOR,
                f"health factor{of} {factor:.4f}, {known_factor:.4f} at the last cycle, acts below "
                f"{health_factor:g}",
                subject=f"account {place}",
            )
    for symbol, price in now.prices.items():
        known = before.prices.get(symbol)
        if known is not None and known > 0 and abs(price - known) >= price_move * known:
            yield WatchFinding(
                WatchCause.PRICE_MOVE,
                f"{symbol} moved by {price / known - 1:+.1%} since the last cycle",
                subject=symbol,
            )
    if now.paused != before.paused:
        yield WatchFinding(
            WatchCause.VAULT_PAUSED, f"the vault {'was paused' if now.paused else 'runs again'}"
        )
    if now.epoch != before.epoch:
        yield WatchFinding(
            WatchCause.VAULT_CHANGED,
            f"the vault's epoch went from {before.epoch} to {now.epoch} since the last cycle",
        )
    if now.nonce != before.nonce:
        yield WatchFinding(
            WatchCause.KEY_USED,
            f"the key's nonce went from {before.nonce} to {now.nonce} since the last cycle",
        )


def as_seen(snapshot: MarketSnapshot, later: BlockLook) -> BlockLook:
    """What a cycle read, as a look. Epoch and nonce are those of a look after it."""
    return replace(
        later,
        timestamp=snapshot.block.timestamp,
        health_factors={
            account.venue.place: health_factor_of(account.account.health_factor)
            for account in accounts(snapshot)
        },
        prices={reading.symbol: reading.round.answer for reading in snapshot.feeds},
        paused=snapshot.vault.paused,
    )


def recovered(before: BlockLook, now: BlockLook) -> BlockLook:
    """``before`` with the higher health factor of each account, so that a breach after a recovery is a new one."""
    highest = {
        place: max(factor, now.health_factors.get(place, factor))
        for place, factor in before.health_factors.items()
    }
    return replace(before, health_factors=highest)


def fell_below(now: float, before: float, level: float) -> bool:
    """Whether an account's health factor crossed the level since ``before``, or fell on below it."""
    if now >= level:
        return False
    further = before * (1.0 - FURTHER_FALL)
    return before >= level or now <= further < before
