"""What a cycle remembers of each feed, for the next cycle to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keeper.domain.market import FeedReading, MarketSnapshot, Trust
from keeper.domain.prices import FeedMemory


def updated_memory(memory: Sequence[FeedMemory], snapshot: MarketSnapshot) -> tuple[FeedMemory, ...]:
    """The memory after ``snapshot``, whose feeds have their verdicts.

    A price that is not FRESH does not become the price that later ones are compared with.
    """
    now = snapshot.block.timestamp
    before = {feed.symbol: feed for feed in memory}
    return tuple(
        _updated(_of_this_feed(before.get(reading.symbol), reading), reading, now)
        for reading in snapshot.feeds
    )


def block_time_streak(updated_at: int, now: int, memory: FeedMemory) -> int:
    """Number of blocks in a row in which ``updatedAt`` was the block's own time, up to the block at ``now``.

    A second look at the same block does not count again.
    """
    if updated_at != now:
        return 0
    return memory.block_time_streak + (now > memory.observed_at)


def _of_this_feed(memory: FeedMemory | None, reading: FeedReading) -> FeedMemory:
    """The memory without the rounds of another feed. Each feed numbers its own rounds; prices are comparable."""
    if memory is not None and memory.feed == reading.feed:
        return memory
    return FeedMemory(
        symbol=reading.symbol,
        feed=reading.feed,
        last_round_id=0,
        last_updated_at=0,
        fresh_answer=memory.fresh_answer if memory is not None else 0,
        fresh_at=memory.fresh_at if memory is not None else 0,
        block_time_streak=0,
        observed_at=0,
    )


def _updated(memory: FeedMemory, reading: FeedReading, now: int) -> FeedMemory:
    latest = reading.round
    updated = replace(
        memory,
        block_time_streak=block_time_streak(latest.updated_at, now, memory),
        observed_at=max(now, memory.observed_at),
    )
    # After a timestamp from the future every honest round would look old, so such a round is not remembered.
    if latest.updated_at <= now:
        updated = replace(
            updated,
            last_round_id=max(memory.last_round_id, latest.round_id),
            last_updated_at=max(memory.last_updated_at, latest.updated_at),
        )
    if reading.trust is Trust.FRESH:
        updated = replace(updated, fresh_answer=reading.price, fresh_at=now)
    return updated
