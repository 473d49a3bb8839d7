"""What the lending market lets collateral carry."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

from keeper.domain.market import MarketSnapshot, Reserve
from keeper.domain.units import BPS, unit

MARGIN = Fraction(999, 1000)
"""Of what may be borrowed or withdrawn: prices and interest move until the transaction is mined."""


def borrowable(supplied: Mapping[str, int], snapshot: MarketSnapshot) -> int:
    """The debt that collateral (raw by symbol) carries by its loan-to-value, raw of the debt asset, rounded down:
    ValidationLogic.validateHFAndLtv, whose mean loan-to-value is in whole bps."""
    total = weighted = 0
    for token, reserve in zip(snapshot.tokens, snapshot.reserves, strict=True):
        value = supplied.get(token.symbol, 0) * reserve.market_price // int(10**token.decimals)
        total, weighted = total + value, weighted + value * reserve.ltv_bps
    if total == 0:
        return 0
    unit = int(10**snapshot.debt_token.decimals)
    return total * (weighted // total) * unit // (BPS * snapshot.reserves[0].market_price)


def room_to_borrow(supplied: Mapping[str, int], owed: int, snapshot: MarketSnapshot, least: float) -> int:
    """What can still be borrowed: by the health factor, and by the market's loan to value (Aave
    ValidationLogic.validateBorrow)."""
    debt = snapshot.reserves[0]
    by_health = carried(supplied, snapshot, threshold) / Fraction(least)
    by_value = carried(supplied, snapshot, loan_to_value)
    most = min(by_health, by_value) * unit(snapshot.debt_token.decimals) / debt.market_price
    return max(0, math.floor(MARGIN * most) - owed)


def carried(
    amounts: Mapping[str, int], snapshot: MarketSnapshot, share_bps: Callable[[Reserve], int]
) -> Fraction:
    """Value that the amounts carry, in the market's base currency."""
    total = Fraction(0)
    for token, reserve in zip(snapshot.tokens, snapshot.reserves, strict=True):
        value = amounts.get(token.symbol, 0) * reserve.market_price * share_bps(reserve)
        total += Fraction(value, BPS * unit(token.decimals))
    return total


def threshold(reserve: Reserve) -> int:
    return reserve.liquidation_threshold_bps


def loan_to_value(reserve: Reserve) -> int:
    return reserve.ltv_bps
