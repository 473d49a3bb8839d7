"""What is presumed of assets about which nothing is known: enough to get out, never to get in."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.model import AssetRisk, RiskModel

VOLATILITY = 2.0
"""Annualised; about what small tokens had in March 2020."""
CORRELATION = 0.95
LOSS = 0.5


def fallback_model(symbols: Sequence[str], as_of: int, why: str) -> RiskModel:
    """The same high volatility for every asset, all falling together; ``why`` becomes the provenance."""
    variance = VOLATILITY**2
    return RiskModel(
        as_of=as_of,
        symbols=tuple(symbols),
        covariance=tuple(
            tuple(variance if one == other else CORRELATION * variance for other in symbols)
            for one in symbols
        ),
        assets=tuple(
            AssetRisk(
                symbol=symbol,
                bars=0,
                ewma=VOLATILITY,
                implied=None,
                blended=VOLATILITY,
                implied_weight=0.0,
                provenance=f"presumed: {why}",
            )
            for symbol in symbols
        ),
        worst_loss=LOSS,
    )
