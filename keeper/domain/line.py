"""The line of requests: what waits to be settled, and the calls of the shares that anybody may make to settle it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class LineCall(StrEnum):
    """Functions of VaultShares. Their order is that in which they are made: who leaves goes before who comes."""

    SETTLE_REDEMPTIONS = "settleRedemptions"
    SETTLE_DEPOSITS = "settleDeposits"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Line:
    """VaultShares.line at Unix second ``now``. ``deposits_closed_at`` and ``redemptions_closed_at`` are of the oldest
    batch that waits for its price, 0 where none does. ``pending_assets`` and ``pending_shares`` are raw, and of all
    requests that are not settled."""

    now: int
    deposits_closed_at: int
    redemptions_closed_at: int
    pending_assets: int
    pending_shares: int


@dataclass(frozen=True, slots=True)
class RoundHint:
    """SharePricer.Hint: ids of a feed's first round after a batch closed, and of its last one up to the moment when all
    feeds had published. (0, 0) for an asset that does not matter."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class LineRehearsal:
    """``reverts``: why each call that was tried on the block would revert, empty where it would not. A settlement whose
    rounds are not published is not tried. ``pays_all``: settling the redemptions leaves nothing of their batch."""

    reverts: Mapping[LineCall, str]
    pays_all: bool


@dataclass(frozen=True, slots=True)
class LinePolicy:
    """``max_cost_usd``: gas of one call; with more, requests wait. ``partial_after_s``: how long a batch of redemptions
    waits for cash that pays all of it. Then it is paid in part."""

    max_cost_usd: float
    partial_after_s: int


@dataclass(frozen=True, slots=True)
class LineDecision:
    """``call`` is None where nothing is to be sent. ``reason`` is a sentence for people."""

    call: LineCall | None
    reason: str
