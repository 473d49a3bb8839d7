"""What the watch sees of one block, between two cycles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.market import Account
from keeper.domain.units import health_factor_of


def health_factor(account: Account) -> float:
    """As a number, infinite without debt."""
    return health_factor_of(account.health_factor)


@dataclass(frozen=True, slots=True)
class BlockLook:
    """``timestamp`` is the block's. ``health_factor`` is the lowest of the vault's accounts, infinite without debt.
    ``prices`` are the feeds' answers by symbol, with the feed's decimals; a feed that gives none is absent. ``nonce``
    counts the mined transactions of the key."""

    timestamp: int
    health_factor: float
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
    """``text`` is a sentence for the log."""

    cause: WatchCause
    text: str
