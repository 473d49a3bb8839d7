"""EIP-1559 fees: the first bid and how to raise it. Pure; all amounts in wei per gas.

With base fee ``b``, tip ``t`` and cap ``c`` the first bid is ``min(2b + t, c (8/9)^3)``: it lasts for six full blocks,
or leaves room for three replacements. Being mined in the next block comes before room.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.domain.fee_replacement import REPLACEMENTS, before_replacements, raised

MIN_TIP_WEI = 10_000_000
"""0.01 gwei: builders and private relays drop transactions that pay no tip."""
BASE_FEE_HEADROOM = 2
"""The base fee rises by at most 12.5 % a block, so twice the base fee lasts for six full blocks."""


@dataclass(frozen=True, slots=True)
class FeeMarket:
    """The next block's base fee, and the median of the tips that recent blocks paid."""

    base_fee_wei: int
    tip_wei: int


@dataclass(frozen=True, slots=True)
class Fees:
    max_fee_wei: int
    tip_wei: int


def first_fees(market: FeeMarket, cap_wei: int) -> Fees | None:
    """None if the next block's base fee plus the minimum tip is above the cap."""
    return _bid(market, cap_wei, REPLACEMENTS)


def next_fees(earlier: Sequence[Fees], market: FeeMarket, cap_wei: int) -> Fees | None:
    """The bid that replaces all ``earlier`` bids for one nonce; the first one where there is none.

    Both fields are an eighth above the highest earlier ones, rounded up, and at least what the market asks now. The
    bid leaves room for the rest of REPLACEMENTS. None if the cap does not allow the eighth.
    """
    if not earlier:
        return first_fees(market, cap_wei)
    minimum = Fees(
        raised(max(fees.max_fee_wei for fees in earlier)), raised(max(fees.tip_wei for fees in earlier))
    )
    if minimum.max_fee_wei > cap_wei:
        return None
    # With a base fee above the cap the whole cap waits for a lower one.
    target = _bid(market, cap_wei, REPLACEMENTS - len(earlier)) or Fees(cap_wei, minimum.tip_wei)
    return Fees(max(minimum.max_fee_wei, target.max_fee_wei), max(minimum.tip_wei, target.tip_wei))


def _bid(market: FeeMarket, cap_wei: int, replacements: int) -> Fees | None:
    """Within the cap, with room for as many of the replacements as the market allows."""
    needed = market.base_fee_wei + MIN_TIP_WEI
    limits = (before_replacements(cap_wei, count) for count in range(max(replacements, 0), -1, -1))
    limit = next((limit for limit in limits if limit >= needed), None)
    if limit is None:
        return None
    tip = max(MIN_TIP_WEI, min(market.tip_wei, limit - market.base_fee_wei))
    return Fees(min(limit, BASE_FEE_HEADROOM * market.base_fee_wei + tip), tip)
