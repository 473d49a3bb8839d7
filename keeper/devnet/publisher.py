"""Keeps the feeds of a running local chain from going stale: the last price again, well before the heartbeat is
over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from keeper.devnet.feeds import latest_round, publish_now
from keeper.devnet.local_chain import LocalChain, heartbeat_s

CHECK_EVERY_S = 5.0


@contextmanager
def publishing(world: LocalChain) -> Iterator[None]:
    """Publishes what is due every few seconds until the block is left."""
    stop = threading.Event()

    def publish() -> None:
        while not stop.wait(CHECK_EVERY_S):
            publish_due(world)

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
    due = tuple(symbol for symbol, (_, at) in last.items() if 2 * (clock - at) >= heartbeat_s(symbol))
    if due:
        world.mine()  # a round bears the latest block's time, which an idle chain leaves behind
    for symbol in due:
        publish_now(world.w3, world.owner, world.feeds.addresses[symbol], price=last[symbol][0])
    return due
