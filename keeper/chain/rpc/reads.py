"""What the keeper reads from: one node, or several that must agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from keeper.domain.record import NodeUse
from keeper.jsonrpc.answers import Header
from keeper.jsonrpc.requests import Connection, Request

T = TypeVar("T")


class Member(Connection, Protocol):
    """One node."""

    @property
    def use(self) -> NodeUse:
        """Requests and bytes so far."""
        ...


class Reads(Protocol):
    """Reads from one node, or from several nodes that must agree."""

    @property
    def endpoint(self) -> str:
        """The address of the node, or of several, without secrets."""
        ...

    @property
    def round_trips(self) -> int:
        """HTTP requests made so far."""
        ...

    @property
    def quorum(self) -> int:
        """How many nodes must give the same answer."""
        ...

    @property
    def uses(self) -> tuple[NodeUse, ...]:
        """Requests and bytes of each node so far."""
        ...

    @property
    def members(self) -> Sequence[Member]:
        """The nodes, to be asked one by one."""
        ...

    def forget_notes(self) -> None:
        """What was noted about the nodes so far is left out of ``uses`` from now on."""
        ...

    def head(self) -> tuple[int, Header]:
        """The chain id, and the newest block."""
        ...

    def request(self, request: Request[T]) -> T:
        """The result of one read. Raises RpcError, NodeUnavailable, NodeUntrusted."""
        ...

    def batch(self, requests: Sequence[Request[Any]]) -> list[Any]:
        """The results of many reads. Raises as ``request``."""
        ...
