"""Aave's rule for collateral of loan-to-value 0, which every frozen reserve has: beside debt it must leave first."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.domain.market import MarketSnapshot
from keeper.domain.units import BPS, usd

CRUMB = 10**9
"""Less than one part in so many of a holding is a rounding error of its value in USD."""


def of_ltv_zero(snapshot: MarketSnapshot) -> tuple[str, ...]:
    """What the vault has supplied that no new debt may be taken against."""
    return tuple(
        holding.symbol
        for holding, reserve in zip(snapshot.holdings, snapshot.reserves, strict=True)
        if holding.supplied and not reserve.ltv_bps
    )


def staying_of_ltv_zero(withdrawn: Mapping[str, int], snapshot: MarketSnapshot) -> tuple[str, ...]:
    """Of those, what is still there after ``withdrawn`` (raw by symbol): as long as it is, and there is any debt, no
    other collateral leaves (ValidationLogic.validateHFAndLtvzero)."""
    return tuple(
        symbol
        for symbol in of_ltv_zero(snapshot)
        if withdrawn.get(symbol, 0) < snapshot.holding(symbol).supplied
    )


def is_held_back(withdrawn: Mapping[str, int], snapshot: MarketSnapshot) -> bool:
    """Whether ``withdrawn``, in the order of ``ltv_zero_first``, can only leave once all debt is repaid."""
    others = any(snapshot.reserve(symbol).ltv_bps for symbol in withdrawn)
    return others and bool(staying_of_ltv_zero(withdrawn, snapshot))


def ltv_zero_first(withdrawn: Mapping[str, int], snapshot: MarketSnapshot) -> dict[str, int]:
    """The same, reordered. What of LTV 0 leaves but for a rounding error leaves whole."""
    ordered = sorted(withdrawn, key=lambda symbol: snapshot.reserve(symbol).ltv_bps > 0)
    return {symbol: _whole(symbol, withdrawn[symbol], snapshot) for symbol in ordered}


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


def crumbs_of_ltv_zero(snapshot: MarketSnapshot) -> dict[str, int]:
    """Less than a dollar of it, which anybody can send the vault, must not hold back all other collateral: it is
    withdrawn and lies idle."""
    return {
        symbol: snapshot.holding(symbol).supplied
        for symbol in of_ltv_zero(snapshot)
        if usd(
            snapshot.holding(symbol).supplied,
            snapshot.token(symbol).decimals,
            snapshot.reserve(symbol).market_price,
        )
        < 1.0
    }


def _whole(symbol: str, amount: int, snapshot: MarketSnapshot) -> int:
    supplied = snapshot.holding(symbol).supplied
    nearly_all = 0 < (supplied - amount) * CRUMB <= supplied
    return supplied if nearly_all and not snapshot.reserve(symbol).ltv_bps else amount
