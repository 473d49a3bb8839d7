"""RedemptionQueue: pending shares, and the time of the oldest request."""

from __future__ import annotations

from keeper.chain.abi import load
from keeper.chain.calls import Call, call

_ABI = load("RedemptionQueue")
_NAME = "redemption queue"


def vault(queue: str) -> Call[str]:
    """The vault whose shares the queue takes."""
    return call(_NAME, queue, _ABI["vault"])


def pending_shares(queue: str) -> Call[int]:
    return call(_NAME, queue, _ABI["pendingShares"])


def pending_since(queue: str) -> Call[int]:
    """Time of the oldest request, Unix seconds; 0 if nobody waits."""
    return call(_NAME, queue, _ABI["pendingSince"])
