"""The risk model of an emergency without an estimate: careful enough to deleverage, too careful to take risk."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.model import AssetRisk, RiskModel

VOLATILITY = 2.0
"""Annualised. Small tokens had about this much in March 2020."""
CORRELATION = 0.95
"""Assets fall together in a crash, and a complete correlation would make the matrix singular."""
WORST_LOSS = 0.5
"""Loss of every asset within the time to act. Major tokens lost this much on 12 March 2020."""


def fallback_model(symbols: Sequence[str], as_of: int, why: str) -> RiskModel:
    """The same high volatility for every asset, all falling together. ``why`` becomes the provenance."""
    variance = VOLATILITY**2
    return RiskModel(
        as_of=as_of,
        symbols=tuple(symbols),
        covariance=tuple(
            tuple(variance if row == column else CORRELATION * variance for column in symbols)
            for row in symbols
        ),
        assets=tuple(
            AssetRisk.without_bars(symbol, VOLATILITY, f"fallback model: {why}") for symbol in symbols
        ),
        worst_losses=((WORST_LOSS,) * len(symbols),),
    )
