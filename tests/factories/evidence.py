"""What a risk model is estimated from, and a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keeper.domain.evidence import Evidence, ImpliedReading, PriceBars
from keeper.domain.model import AssetRisk, RiskModel
from keeper.domain.prices import Opinion
from tests.factories.constants import HOUR, NOW, PRICES, RISK_SYMBOLS

VOLATILITIES = (0.45, 0.50, 0.75, 0.80)
CORRELATION = (
    (1.00, 0.85, 0.65, 0.60),
    (0.85, 1.00, 0.70, 0.65),
    (0.65, 0.70, 1.00, 0.70),
    (0.60, 0.65, 0.70, 1.00),
)


def an_opinion(symbol: str, price_usd: float | None, **changes: Any) -> Opinion:
    return replace(Opinion(symbol, "another source", price_usd, NOW, ""), **changes)


def some_bars(
    *, bars: int = 2_880, seed: int = 7, symbols: Sequence[str] = RISK_SYMBOLS, as_of: int = NOW
) -> PriceBars:
    """Hourly closes of a Gaussian market with the factory's volatilities and correlations, ending at its prices."""
    generator = np.random.default_rng(seed)
    correlation = np.array(CORRELATION)[: len(symbols), : len(symbols)]
    scale = np.array(VOLATILITIES[: len(symbols)]) / np.sqrt(8_760)
    returns = generator.standard_normal((bars - 1, len(symbols))) @ np.linalg.cholesky(correlation).T * scale
    path = np.vstack([np.zeros(len(symbols)), np.cumsum(returns, axis=0)])
    closes = np.exp(path - path[-1]) * np.array([PRICES[symbol] for symbol in symbols])
    last = as_of - as_of % HOUR
    times = np.arange(last - (bars - 1) * HOUR, last + 1, HOUR, dtype=np.int64)
    return PriceBars(tuple(symbols), HOUR, times, closes)


def a_reading(underlying: str, volatility: float | None, **changes: Any) -> ImpliedReading:
    reading = ImpliedReading(underlying, volatility, NOW - 300, "DVOL", "" if volatility else "no answer")
    return replace(reading, **changes)


def an_evidence(**changes: Any) -> Evidence:
    evidence = Evidence(
        as_of=NOW,
        bars=some_bars(as_of=changes.get("as_of", NOW)) if "bars" not in changes else changes["bars"],
        implied=(a_reading("BTC", 0.48), a_reading("ETH", 0.55)),
    )
    return replace(evidence, **changes)


def a_model(
    *,
    volatilities: Sequence[float] = VOLATILITIES,
    correlation: Sequence[Sequence[float]] = CORRELATION,
    symbols: Sequence[str] = RISK_SYMBOLS,
    **changes: Any,
) -> RiskModel:
    """A model with exactly these annualised volatilities and correlations."""
    covariance = np.array(correlation) * np.outer(volatilities, volatilities)
    model = RiskModel(
        as_of=NOW,
        symbols=tuple(symbols),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        assets=tuple(
            AssetRisk(symbol, 2_879, volatility, None, volatility, 0.0, "EWMA only")
            for symbol, volatility in zip(symbols, volatilities, strict=True)
        ),
        worst_losses=((0.20,) * len(symbols),),
    )
    return replace(model, **changes)
