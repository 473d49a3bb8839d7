"""One fill in several swaps one after the other.

A pool returns for the parts together what it returns for the whole, and for the earlier parts more than for the later
ones. The output of each part is read off a parabola through the whole's quote, whose tangent at 0 is the price without
impact. Each part must return its share of the fill's minimum output.
"""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.errors import NothingFeasible
from keeper.domain.plan import Step
from keeper.planning.fills import Fill
from keeper.planning.steps import swap

IMPACT_UNIT = 10**12


def partial_swap(fill: Fill, filled: int, amount: int) -> Step:
    """``amount`` raw of a fill of which ``filled`` is done. Raises NothingFeasible where it would return less than its
    share of the minimum."""
    part = partial_fill(fill, filled, amount)
    if part.amount_out < part.min_out:
        raise NothingFeasible(
            f"selling {fill.trade.sell} for {fill.trade.buy} in parts: the last would return less than allowed",
            remedy="Allow more slippage, or lower max_trade so that less moves at once.",
        )
    return swap(part)


def partial_fill(fill: Fill, filled: int, amount: int) -> Fill:
    """``amount`` raw of a fill, after ``filled`` raw of it."""
    whole = fill.trade.amount_in
    if amount == whole:
        return fill
    share = amount / whole
    return replace(
        fill,
        trade=replace(fill.trade, amount_in=amount, value_usd=fill.trade.value_usd * share),
        amount_out=returned(fill, filled + amount) - returned(fill, filled),
        min_out=max(1, -(-fill.min_out * amount // whole)),
        fees_usd=fill.fees_usd * share,
        impact_usd=fill.impact_usd * share,
    )


def returned(fill: Fill, amount: int) -> int:
    """For the first ``amount`` raw of the fill, rounded down: ``whole s (1 + impact (1 - s))`` for the share ``s``."""
    whole = fill.trade.amount_in
    scaled = whole * IMPACT_UNIT + impact(fill) * (whole - amount)
    return fill.amount_out * amount * scaled // (whole * whole * IMPACT_UNIT)


def impact(fill: Fill) -> int:
    """Price impact of the whole fill, as a part of what it returns, in IMPACT_UNIT."""
    returned_usd = fill.trade.value_usd - fill.fees_usd - fill.impact_usd
    return int(max(0.0, fill.impact_usd) / returned_usd * IMPACT_UNIT) if returned_usd > 0 else 0
