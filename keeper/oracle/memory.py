"""What a cycle leaves for the next one to judge feeds by."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.market import FeedReading, MarketSnapshot, Trust
from keeper.domain.prices import FeedMemory
from keeper.oracle.price_gate import always_now


def remembered(memory: Sequence[FeedMemory], snapshot: MarketSnapshot) -> tuple[FeedMemory, ...]:
    """After a look at ``snapshot``, whose feeds have their verdicts. A price that was not FRESH moves nothing that a
    later one is compared with."""
    before = {one.symbol: one for one in memory}
    return tuple(
        _after(_of_this_feed(before.get(reading.symbol), reading), reading, snapshot)
        for reading in snapshot.feeds
    )


def _of_this_feed(memory: FeedMemory | None, reading: FeedReading) -> FeedMemory:
    """Rounds are numbered by each feed for itself; a price is a price whichever feed said it."""
    if memory is None:
        return FeedMemory(reading.symbol, reading.feed, 0, 0, 0, 0, 0, 0)
    if memory.feed == reading.feed:
        return memory
    return FeedMemory(reading.symbol, reading.feed, 0, 0, memory.fresh_answer, memory.fresh_at, 0, 0)


def _after(memory: FeedMemory, reading: FeedReading, snapshot: MarketSnapshot) -> FeedMemory:
    now, latest = snapshot.block.timestamp, reading.round
    fresh = reading.trust is Trust.FRESH
    # A stamp from the future would make every honest round after it look old.
    credible = latest.updated_at <= now
    return FeedMemory(
        symbol=reading.symbol,
        feed=reading.feed,
        last_round_id=max(memory.last_round_id, latest.round_id) if credible else memory.last_round_id,
        last_updated_at=max(memory.last_updated_at, latest.updated_at)
        if credible
        else memory.last_updated_at,
        fresh_answer=reading.price if fresh else memory.fresh_answer,
        fresh_at=now if fresh else memory.fresh_at,
        block_time_streak=always_now(latest.updated_at, now, memory),
        observed_at=max(now, memory.observed_at),
    )
