"""Which differences between two blocks need a cycle before the schedule's next one.

The watch trades nothing and judges nothing further. The cycle that it asks for reads, checks and decides as any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

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
    if fell_below(now, before, health_factor):
        yield WatchFinding(
            WatchCause.HEALTH_FACTOR,
            f"health factor {now.health_factor:.4f}, {before.health_factor:.4f} at the last cycle, acts below "
            f"{health_factor:g}",
        )
    for symbol, price in now.prices.items():
        known = before.prices.get(symbol)
        if known is not None and known > 0 and abs(price - known) >= price_move * known:
            yield WatchFinding(
                WatchCause.PRICE_MOVE, f"{symbol} moved by {price / known - 1:+.1%} since the last cycle"
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
        health_factor=health_factor_of(snapshot.lowest_health),
        prices={reading.symbol: reading.round.answer for reading in snapshot.feeds},
        paused=snapshot.vault.paused,
    )


def recovered(before: BlockLook, now: BlockLook) -> BlockLook:
    """``before`` with the higher health factor, so that a breach after a recovery is a new one."""
    return replace(before, health_factor=max(before.health_factor, now.health_factor))


def fell_below(now: BlockLook, before: BlockLook, health_factor: float) -> bool:
    """Whether the health factor crossed the level since ``before``, or fell on below it."""
    if now.health_factor >= health_factor:
        return False
    further = before.health_factor * (1.0 - FURTHER_FALL)
    return before.health_factor >= health_factor or now.health_factor <= further < before.health_factor
