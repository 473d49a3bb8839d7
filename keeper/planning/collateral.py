"""What the lending market lets collateral carry."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.domain.market import MarketSnapshot
from keeper.domain.units import BPS


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
