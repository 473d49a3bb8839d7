"""RedemptionQueue: how much waits in it, and since when."""

from __future__ import annotations

from keeper.chain.abi import load
from keeper.chain.calls import Call, call

_ABI = load("RedemptionQueue")
_NAME = "redemption queue"


def vault(queue: str) -> Call[str]:
    """Whose shares it takes."""
    return call(_NAME, queue, _ABI["vault"])


def pending_shares(queue: str) -> Call[int]:
    return call(_NAME, queue, _ABI["pendingShares"])


def pending_since(queue: str) -> Call[int]:
    """0: nobody waits."""
    return call(_NAME, queue, _ABI["pendingSince"])
