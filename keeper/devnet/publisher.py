"""Keeps the feeds of a running local chain from going stale: the last price again, before the heartbeat is
over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from keeper.devnet.world import World

INTERVAL_S = 1_800


@contextmanager
def publishing(world: World) -> Iterator[None]:
    """Repeats every feed's price each half hour until the block is left."""
    stop = threading.Event()

    def publish() -> None:
        while not stop.wait(INTERVAL_S):
            world.refresh_feeds()

    thread = threading.Thread(target=publish, name="feeds", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
