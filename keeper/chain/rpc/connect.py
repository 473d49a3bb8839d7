"""Connects to the node or nodes of the settings."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from keeper.chain.rpc.circuit_breaker import CircuitBreaker
from keeper.chain.rpc.client import Rpc
from keeper.chain.rpc.endpoint import Endpoint
from keeper.chain.rpc.quorum import NodeQuorum
from keeper.chain.rpc.reads import Reads

TIMEOUT_S = 8.0
ATTEMPTS = 2
"""Each of several nodes gets less time than a single node, because others can be asked."""


@contextmanager
def connected(urls: Sequence[str], quorum: int, chain_id: int) -> Iterator[Reads]:
    """One node as it is, or several nodes of which ``quorum`` must give the same answer."""
    if len(urls) == 1:
        with Rpc(urls[0]) as rpc:
            yield rpc
        return
    endpoints = [
        Endpoint(Rpc(url, timeout_s=TIMEOUT_S, attempts=ATTEMPTS), CircuitBreaker(time.monotonic))
        for url in urls
    ]
    with NodeQuorum(endpoints, quorum, chain_id) as nodes:
        yield nodes
