"""What the watch sees of one block, between two cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class BlockLook:
    """``timestamp`` is the block's. ``health_factors`` are those of the managed accounts by their place in the vault's
    list, infinite without debt. ``prices`` are the feeds' answers by symbol, with the feed's decimals; one that gives
    none is absent. ``nonce`` counts the mined transactions of the key."""

    timestamp: int
    health_factors: Mapping[int, float]
    prices: Mapping[str, int]
    paused: bool
    epoch: int
    nonce: int


class WatchCause(StrEnum):
    """Why the watch asks for a cycle."""

    HEALTH_FACTOR = "health_factor"
    PRICE_MOVE = "price_move"
    VAULT_PAUSED = "vault_paused"
    VAULT_CHANGED = "vault_changed"
    KEY_USED = "key_used"


@dataclass(frozen=True, slots=True)
class WatchFinding:
    """``text`` is a sentence for the log. ``subject`` is the account or the asset that it is about, empty where it is
    about the vault or the key."""

    cause: WatchCause
    text: str
    subject: str = ""
