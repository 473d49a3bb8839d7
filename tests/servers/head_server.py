"""A node's WebSocket on this machine: it takes a subscription to new blocks, and then does what a test makes it do."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

SUBSCRIPTION = "0x9ce59a13059e417087c02d3236a0b1cc"
CHAIN_ID = 31337
NUMBER = 436


class HeadServer:
    """``misbehaves`` gets each new connection, in order, before anything is read of it; the last one for ever. By default
    it answers as geth does. ``connections`` counts them."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.chain_id = CHAIN_ID
        self.misbehaves: list[Callable[[ServerConnection], None]] = [self.answer]
        self._subscribed: list[ServerConnection] = []
        self._changed = threading.Condition()

    def tell(self, timestamp: int, number: int = NUMBER) -> None:
        """A new block, to everybody who has subscribed."""
        for connection in tuple(self._subscribed):
            with suppress(ConnectionClosed):
                connection.send(head(timestamp, number))

    def until_subscribed(self, connections: int = 1) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.connections >= connections and self._subscribed, 10.0)

    def answer(self, connection: ServerConnection) -> None:
        """Until the other side leaves."""
        for text in connection:
            call = json.loads(text)
            result: Any = hex(self.chain_id)
            if call["method"] == "eth_subscribe":
                assert call["params"] == ["newHeads"]
                result = SUBSCRIPTION
            connection.send(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}))
            if result == SUBSCRIPTION:
                with self._changed:
                    self._subscribed.append(connection)
                    self._changed.notify_all()

    def _serve(self, connection: ServerConnection) -> None:
        with self._changed:
            self.connections += 1
            behave = self.misbehaves.pop(0) if len(self.misbehaves) > 1 else self.misbehaves[0]
            self._changed.notify_all()
        with suppress(ConnectionClosed):
            behave(connection)
        with self._changed:
            self._subscribed = [each for each in self._subscribed if each is not connection]

    @contextmanager
    def running(self) -> Iterator[HeadServer]:
        with serve(self._serve, "127.0.0.1", 0, compression=None, max_size=None, close_timeout=0.2) as server:
            self.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            yield self
            server.shutdown()
            thread.join()


def head(timestamp: int, number: int = NUMBER, *, subscription: str = SUBSCRIPTION) -> str:
    """As geth tells it, with the fields that the keeper does not read left out."""
    block = {"number": hex(number), "timestamp": hex(timestamp), "baseFeePerGas": "0x7"}
    told = {"subscription": subscription, "result": block}
    return json.dumps({"jsonrpc": "2.0", "method": "eth_subscription", "params": told})
