"""One node of several: its connection, its circuit breaker and a note about its last failure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from keeper.chain.rpc.circuit_breaker import CircuitBreaker
from keeper.chain.rpc.client import Rpc
from keeper.domain.errors import NodeHangs, NodeUnavailable, NodeUntrusted, RpcError
from keeper.domain.record import NodeUse
from keeper.jsonrpc.requests import Request

T = TypeVar("T")


class Endpoint:
    """An ``Rpc`` that is not asked while its breaker is open. ``note`` says why it was not used."""

    def __init__(self, rpc: Rpc, breaker: CircuitBreaker) -> None:
        self.rpc = rpc
        self.breaker = breaker
        self.note = ""
        self._trouble = ""

    @property
    def endpoint(self) -> str:
        return self.rpc.endpoint

    @property
    def use(self) -> NodeUse:
        return NodeUse(self.rpc.endpoint, self.rpc.round_trips, self.rpc.bytes_received, note=self.note)

    def request(self, request: Request[T]) -> T:
        """As Rpc.request."""
        return self.guarded(lambda: self.rpc.request(request))

    def batch(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """As Rpc.batch."""
        return self.guarded(lambda: self.rpc.batch(requests))

    def send(self, request: Request[T]) -> T:
        """As Rpc.send, also while the breaker is open: this send may be the one that saves the vault."""
        return self.rpc.send(request)

    def guarded(self, ask: Callable[[], T]) -> T:
        """Raises NodeUnavailable without asking while the breaker is open."""
        if not self.breaker.allows:
            self.note = f"{self._trouble}; not asked for {self.breaker.open_for_s:.0f} s"
            raise NodeUnavailable(
                f"the node at {self.rpc.endpoint}: {self.note}",
                remedy="The keeper tries it again. If it lasts, check the node and KEEPER_RPC_URL.",
            )
        try:
            answer = ask()
        except RpcError:
            self.breaker.succeeded()  # an error is an answer
            raise
        except (NodeUnavailable, NodeUntrusted) as error:
            self.note = self._trouble = error.message
            if isinstance(error, NodeHangs):
                self.breaker.trip()
            else:
                self.breaker.failed()
            raise
        self.breaker.succeeded()
        return answer

    def distrust(self, why: str) -> None:
        """Opens the breaker at once, because other nodes contradict this one."""
        self.note = self._trouble = why
        self.breaker.trip()
