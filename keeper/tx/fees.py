"""EIP-1559 fees: what to offer at first, and how to raise it. Pure; all wei."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.tx.ports import FeeMarket

LEAST_TIP_WEI = 10_000_000
"""0.01 gwei: builders and private relays drop transactions that pay none."""
BASE_FEE_HEADROOM = 2
"""The base fee rises by 12.5 % a block at most: doubling lasts six full blocks."""
BUMP_NUMERATOR, BUMP_DENOMINATOR = 9, 8
"""geth asks for 10 % more on both fields, others for 12.5 %."""


@dataclass(frozen=True, slots=True)
class Fees:
    max_fee_wei: int
    tip_wei: int


def first_fees(market: FeeMarket, cap_wei: int) -> Fees | None:
    """None when even the next block's base fee and the least tip are above the cap."""
    if market.base_fee_wei + LEAST_TIP_WEI > cap_wei:
        return None
    tip = max(LEAST_TIP_WEI, min(market.tip_wei, cap_wei - market.base_fee_wei))
    return Fees(min(cap_wei, BASE_FEE_HEADROOM * market.base_fee_wei + tip), tip)


def replacing(out: Fees, market: FeeMarket, cap_wei: int) -> Fees | None:
    """What takes the place of ``out``: both fields at least 12.5 % higher (rounded up), and what the market asks now
    where that is more. None when the cap does not allow the 12.5 %: then what is out stays out."""
    least = Fees(_raised(out.max_fee_wei), _raised(out.tip_wei))
    if least.max_fee_wei > cap_wei:
        return None
    wanted = first_fees(market, cap_wei) or Fees(cap_wei, least.tip_wei)
    return Fees(max(least.max_fee_wei, wanted.max_fee_wei), max(least.tip_wei, wanted.tip_wei))


def _raised(wei: int) -> int:
    return -(-wei * BUMP_NUMERATOR // BUMP_DENOMINATOR)
