"""The node, or the nodes, that the settings name."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from keeper.chain.rpc.circuit_breaker import Breaker
from keeper.chain.rpc.client import Reads, Rpc
from keeper.chain.rpc.endpoint import Endpoint
from keeper.chain.rpc.quorum import Nodes

TIMEOUT_S = 8.0
ATTEMPTS = 2
"""Of several nodes each is given less time than one alone: there are others to ask."""


@contextmanager
def connected(urls: Sequence[str], quorum: int, chain_id: int) -> Iterator[Reads]:
    """One node as it is; several as one, whose answers count where ``quorum`` say the same."""
    if len(urls) == 1:
        with Rpc(urls[0]) as rpc:
            yield rpc
        return
    endpoints = [
        Endpoint(Rpc(url, timeout_s=TIMEOUT_S, attempts=ATTEMPTS), Breaker(time.monotonic)) for url in urls
    ]
    with Nodes(endpoints, quorum, chain_id) as nodes:
        yield nodes
