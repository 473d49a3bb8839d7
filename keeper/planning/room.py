"""How much of what the redemption queue waits for a plan can leave idle, without borrowing below the floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from keeper.domain.market import MarketSnapshot
from keeper.planning.expected import health_factor_after
from keeper.planning.funding import Funding


def funded_with_room(
    fund: Callable[[int], Funding],
    buffer: int,
    snapshot: MarketSnapshot,
    collateral: Mapping[str, int],
    floor: float,
    dust: int,
) -> Funding:
    """``fund`` of the buffer and the queue's value, or of as much of it as keeps the health factor at ``floor``.

    Sells count at the least they return, and a trade may be cut short: then not all can be had yet, and what is missing
    is for the next cycle. Nor is a debt of mere ``dust`` taken up. All amounts raw, of the debt asset.
    """
    queued = 0 if snapshot.redemptions is None else snapshot.redemptions.value
    found = fund(buffer + queued)
    while queued > 0 and found.borrow > 0:
        too_much = found.borrow if found.borrow <= dust else _debt_above(found, snapshot, collateral, floor)
        if too_much == 0:
            break
        queued = max(0, queued - too_much)
        found = fund(buffer + queued)
    return found


def _debt_above(found: Funding, snapshot: MarketSnapshot, collateral: Mapping[str, int], floor: float) -> int:
    """By how much the new debt is too large, at most all of it."""
    owed = found.debt_after(snapshot.holdings[0].owed)
    factor = health_factor_after(snapshot, collateral, owed)
    if factor >= floor:
        return 0
    return min(found.borrow, max(1, math.ceil(owed * (1.0 - factor / floor))))
