"""The heads that one node tells by WebSocket."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Generator
from contextlib import closing

from keeper.chain.heads.subscription import SocketLostError, Subscription
from keeper.chain.heads.websocket import WebSocket

SUBSCRIBE_S = 10.0
SILENCE_S = 60.0
"""A subscription that tells no new head for so long is made anew. On a chain that stands still this costs nothing
else."""


def new_heads(
    url: str, chain_id: int, connected: Callable[[socket.socket], None] = lambda _: None
) -> Generator[int | None, None, None]:
    """None once the node has taken the subscription, then the timestamp of each new head, Unix seconds. ``connected``
    is that of ``WebSocket``. Raises SocketLostError at the latest when the node falls silent."""
    with closing(WebSocket(url, connected)) as node:
        subscription = Subscription(chain_id)
        for request in subscription.requests():
            node.send(request)
        taken, ends_at = False, time.monotonic() + SUBSCRIBE_S
        while (left_s := ends_at - time.monotonic()) > 0.0:
            for message in node.received(left_s):
                timestamp = subscription.heard(message)
                if timestamp is not None or (subscription.confirmed and not taken):
                    taken, ends_at = True, time.monotonic() + SILENCE_S
                    yield timestamp
    if not taken:
        raise SocketLostError(f"did not take the subscription in {SUBSCRIBE_S:g} s")
    raise SocketLostError(f"told no block for {SILENCE_S:g} s")
