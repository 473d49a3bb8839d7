"""How much of what the redemption queue waits for a plan can leave idle, without borrowing below the floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from keeper.domain.market import MarketSnapshot
from keeper.planning.expected import health_factor_after
from keeper.planning.funding import Funding

PASSES = 8
"""One is enough but for the flash loan's premium, which changes with it."""


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
    for _ in range(PASSES):
        too_much = _debt_above(found, snapshot, collateral, floor)
        if 0 < found.borrow <= dust:
            too_much = max(too_much, found.borrow)
        if queued == 0 or too_much == 0:
            break
        # A repayment of mere dust would not be made.
        queued = max(0, queued - max(too_much, dust + 1))
        found = fund(buffer + queued)
    return found


def _debt_above(found: Funding, snapshot: MarketSnapshot, collateral: Mapping[str, int], floor: float) -> int:
    """By how much the debt that the plan leaves is too large."""
    owed = found.debt_after(snapshot.holdings[0].owed)
    factor = health_factor_after(snapshot, collateral, owed)
    if factor >= floor:
        return 0
    return math.ceil(owed * (1.0 - factor / floor))
