"""A fill in several swaps one after the other.

A pool gives for the parts together what it gives for the whole, the earlier ones at a better price than the later:
what each part returns is read off a parabola through the whole's quote, whose tangent at nothing is the price without
impact. Each part must return its share of the least that the whole must return.
"""

from __future__ import annotations

import math
from fractions import Fraction

from keeper.domain.errors import NothingFeasible
from keeper.domain.plan import Step, StepKind
from keeper.planning.fills import Fill


def part_of(fill: Fill, before: int, amount: int) -> Step:
    """``amount`` raw of a fill of which ``before`` is done. Raises NothingFeasible where it would return less than its
    share of the least."""
    whole = fill.trade.amount_in
    expected = returned(fill, before + amount) - returned(fill, before)
    limit = max(1, -(-fill.min_out * amount // whole))
    if expected < limit:
        raise NothingFeasible(
            f"selling {fill.trade.sell} for {fill.trade.buy} in parts: the last would return less than allowed",
            remedy="Allow more slippage, or lower max_trade so that less moves at once.",
        )
    return Step(
        kind=StepKind.SWAP_EXACT_IN,
        symbol=fill.trade.sell,
        amount=amount,
        limit=limit,
        route=fill.route,
        expected_in=amount,
        expected_out=expected,
    )


def returned(fill: Fill, amount: int) -> int:
    """For the first ``amount`` raw of the fill, rounded down: exact for all of it."""
    share = Fraction(amount, fill.trade.amount_in)
    kept_usd = fill.trade.value_usd - fill.fees_usd - fill.impact_usd
    lost = Fraction(max(0.0, fill.impact_usd) / kept_usd) if kept_usd > 0 else Fraction(0)
    return math.floor(fill.amount_out * share * (1 + lost * (1 - share)))
