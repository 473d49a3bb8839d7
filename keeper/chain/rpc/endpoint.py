"""One node of several: its connection, its breaker, and what is to be said of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from keeper.chain.rpc.circuit_breaker import Breaker
from keeper.chain.rpc.client import Request, Rpc
from keeper.domain.errors import NodeUnavailable, NodeUntrusted, RpcError
from keeper.domain.record import NodeUse

T = TypeVar("T")


class Endpoint:
    """An ``Rpc`` that is not asked while its breaker is open. ``note`` says why it was left out of the last look."""

    def __init__(self, rpc: Rpc, breaker: Breaker) -> None:
        self.rpc = rpc
        self.breaker = breaker
        self.note = ""
        self._trouble = ""

    @property
    def use(self) -> NodeUse:
        return NodeUse(self.rpc.endpoint, self.rpc.round_trips, self.rpc.bytes_received, self.note)

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """As Rpc.request."""
        return self.guarded(lambda: self.rpc.request(method, params))

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        """As Rpc.batch."""
        return self.guarded(lambda: self.rpc.batch(requests))

    def send(self, method: str, params: Sequence[Any]) -> Any:
        """As Rpc.send; also while the breaker is open, because a send may be the one that saves the vault."""
        return self.rpc.send(method, params)

    def guarded(self, ask: Callable[[], T]) -> T:
        """Raises NodeUnavailable without asking while the breaker is open."""
        if not self.breaker.allows:
            self.note = f"{self._trouble}; left alone for {self.breaker.open_for_s:.0f} s"
            raise NodeUnavailable(
                f"the node at {self.rpc.endpoint}: {self.note}",
                remedy="It is tried again by itself; if it lasts, check the node and KEEPER_RPC_URL.",
            )
        try:
            answer = ask()
        except RpcError:
            self.breaker.succeeded()  # it answered
            raise
        except (NodeUnavailable, NodeUntrusted) as error:
            self.note = self._trouble = error.message
            self.breaker.failed()
            raise
        self.breaker.succeeded()
        return answer

    def distrust(self, why: str) -> None:
        """It said something that others deny: not asked again for a while."""
        self.note = self._trouble = why
        self.breaker.trip()
