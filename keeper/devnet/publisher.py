"""Keeps a running local chain alive: a block every few seconds, and on each feed the last price again, well before its
heartbeat is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from keeper.devnet.feeds import due_price, latest_round, publish_now
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.market_hours import heartbeat_s, is_open

CHECK_EVERY_S = 4.0
BLOCK_EVERY_S = 12
"""As on mainnet. A transaction's deadline counts from the newest block, so it would be over before an idle chain's
next one."""


@contextmanager
def publishing(world: LocalChain) -> Iterator[None]:
    """Mines and publishes what is due every few seconds until the block is left."""
    stop = threading.Event()

    def publish() -> None:
        while not stop.wait(CHECK_EVERY_S):
            publish_due(world)
            mine_due(world)

    thread = threading.Thread(target=publish, name="feeds", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def publish_due(world: LocalChain) -> tuple[str, ...]:
    """A new round with the last price on every feed silent for half its heartbeat by the chain's clock. Says
    which."""
    clock = world.clock()
    last = {symbol: latest_round(world.w3, feed) for symbol, feed in world.feeds.addresses.items()}
    due = tuple(
        symbol
        for symbol, (_, at) in last.items()
        if 2 * (clock - at) >= heartbeat_s(symbol) and is_open(symbol, clock)
    )
    if due:
        world.mine()  # a round bears the latest block's time, which an idle chain leaves behind
    for symbol in due:
        publish_now(
            world.w3,
            world.owner,
            world.feeds.addresses[symbol],
            price=due_price(world.w3, world.feeds, symbol),
        )
    return due


def mine_due(world: LocalChain) -> bool:
    """An empty block where the newest is ``BLOCK_EVERY_S`` old by the chain's clock. Says whether it was."""
    due = world.clock() - world.now() >= BLOCK_EVERY_S
    if due:
        world.mine()
    return due
