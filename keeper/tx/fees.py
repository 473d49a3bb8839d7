"""EIP-1559 fees: the first offer and how to raise it. Pure; all amounts in wei per gas."""

from __future__ import annotations

from dataclasses import dataclass

MIN_TIP_WEI = 10_000_000
"""0.01 gwei: builders and private relays drop transactions that pay no tip."""
BASE_FEE_HEADROOM = 2
"""The base fee rises by at most 12.5 % a block, so twice the base fee lasts for six full blocks."""
BUMP_NUMERATOR, BUMP_DENOMINATOR = 9, 8
"""A replacement must pay more on both fields: 10 % at geth, 12.5 % at some other nodes."""


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
    if market.base_fee_wei + MIN_TIP_WEI > cap_wei:
        return None
    tip = max(MIN_TIP_WEI, min(market.tip_wei, cap_wei - market.base_fee_wei))
    return Fees(min(cap_wei, BASE_FEE_HEADROOM * market.base_fee_wei + tip), tip)


def replacement_fees(replaced: Fees, market: FeeMarket, cap_wei: int) -> Fees | None:
    """Both fields at least 12.5 % above ``replaced``, rounded up, and at least what the market asks now. None if the
    cap does not allow the 12.5 %."""
    minimum = Fees(_raised(replaced.max_fee_wei), _raised(replaced.tip_wei))
    if minimum.max_fee_wei > cap_wei:
        return None
    target = first_fees(market, cap_wei) or Fees(cap_wei, minimum.tip_wei)
    return Fees(max(minimum.max_fee_wei, target.max_fee_wei), max(minimum.tip_wei, target.tip_wei))


def _raised(wei: int) -> int:
    return -(-wei * BUMP_NUMERATOR // BUMP_DENOMINATOR)
