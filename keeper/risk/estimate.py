"""From price bars and implied volatility to the risk model of a cycle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting, NoEstimate
from keeper.domain.evidence import Evidence, PriceBars
from keeper.domain.model import AssetRisk, RiskModel
from keeper.domain.policy import AssetPolicy, EstimatePolicy, Policy
from keeper.risk.correlation import correlation
from keeper.risk.few_moves import few_moves_factors
from keeper.risk.implied import Blend, BlendInputs, blends
from keeper.risk.returns import log_returns
from keeper.risk.volatility import volatilities
from keeper.risk.worst_losses import worst_losses


def estimate(evidence: Evidence, policy: Policy) -> RiskModel:
    """Annualised covariance ``D R D`` of the bars' assets, symmetric and positive definite.

    D: volatilities by the policy's estimator, raised by implied volatility or where few moves show them, not under the
    floor. R: correlation by the policy's estimator, over the time in which every asset has prices. A year has 365 days.
    Raises NoEstimate naming the asset with too few bars, and InvalidSetting.
    """
    bars = evidence.bars
    assets = tuple(_asset(policy, symbol) for symbol in bars.symbols)
    returns = log_returns(bars.closes)
    counts = np.isfinite(returns).sum(axis=0)
    _require_bars(bars, counts, policy.estimate)
    _require_common_bars(bars, returns, policy.estimate)

    floors = np.array([_floor(asset, policy.estimate) for asset in assets])
    correlations = correlation(_common(bars.closes), policy.estimate)
    historical = volatilities(bars.closes, policy.estimate, floors).tolist()
    blended = blends(
        BlendInputs(
            assets=assets,
            historical=historical,
            correlation=correlations,
            readings=evidence.implied,
            as_of=evidence.as_of,
            policy=policy.estimate,
        )
    )
    raised = few_moves_factors(bars.closes, policy.estimate) * historical
    deviations = np.maximum([blend.volatility for blend in blended], raised)
    deviations = np.maximum(deviations, floors)
    covariance = correlations * np.outer(deviations, deviations)
    return RiskModel(
        as_of=evidence.as_of,
        symbols=bars.symbols,
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        assets=tuple(
            AssetRisk(
                symbol=symbol,
                bars=int(count),
                historical=past,
                implied=blend.implied,
                blended=deviation,
                implied_weight=blend.weight,
                provenance=_provenance(
                    blend,
                    floor=floor,
                    deviation=deviation,
                    count=int(count),
                    expected=len(bars.times) - 1 - int(bars.closed_at(symbol).sum()),
                ),
            )
            for symbol, count, past, blend, deviation, floor in zip(
                bars.symbols, counts, historical, blended, deviations.tolist(), floors.tolist(), strict=True
            )
        ),
        worst_losses=worst_losses(bars, policy.size.time_to_act_s),
    )


def _asset(policy: Policy, symbol: str) -> AssetPolicy:
    for asset in policy.assets:
        if asset.symbol == symbol:
            return asset
    raise InvalidSetting(
        f"assets: there are price bars of {symbol} but no settings for it",
        remedy=f'Add an [[assets]] table with symbol = "{symbol}", or take it out of the market read.',
    )


def _require_bars(bars: PriceBars, counts: NDArray[np.int64], policy: EstimatePolicy) -> None:
    for symbol, count in zip(bars.symbols, counts, strict=True):
        if count < policy.min_bars:
            raise NoEstimate(
                f"{symbol} has {count} returns of {bars.bar_seconds} s in its price history, "
                f"fewer than estimate.min_bars = {policy.min_bars}",
                remedy=f"Wait for more rounds of its feed, lower estimate.min_bars, or leave {symbol} out.",
            )


def _require_common_bars(bars: PriceBars, returns: NDArray[np.float64], policy: EstimatePolicy) -> None:
    common = int(np.isfinite(returns).all(axis=1).sum())
    if common < policy.min_bars:
        scarcest = bars.symbols[int(np.isfinite(returns).sum(axis=0).argmin())]
        raise NoEstimate(
            f"{common} returns of {bars.bar_seconds} s are common to {', '.join(bars.symbols)} "
            f"({scarcest} has fewest), fewer than estimate.min_bars = {policy.min_bars}",
            remedy=f"Wait until the feeds have more common rounds, or leave {scarcest} out of the assets.",
        )


def _common(closes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log returns (T, n) without gaps, from the first to the last bar that every asset has. A price that is missing
    between them is one that was not published: its next move began at the last one known."""
    known = np.isfinite(closes)
    if not known.all():
        common = np.flatnonzero(known.all(axis=1))
        span = slice(int(common[0]), int(common[-1]) + 1)
        places = np.where(known[span], np.arange(span.stop - span.start)[:, None], 0)
        closes = np.take_along_axis(closes[span], np.maximum.accumulate(places, axis=0), axis=0)
    # Sums over an array in another memory order can differ in the last bit, and a replay compares bits.
    return np.ascontiguousarray(log_returns(closes))


def _floor(asset: AssetPolicy, policy: EstimatePolicy) -> float:
    return policy.volatility_floor if asset.volatility_floor is None else asset.volatility_floor


def _provenance(blend: Blend, *, floor: float, deviation: float, count: int, expected: int) -> str:
    notes = [blend.provenance]
    if deviation > max(blend.volatility, floor):
        notes.append(f"raised to {deviation:.1%}, because few moves show it")
    elif blend.volatility <= floor:
        notes.append(f"floor {floor:.1%}")
    if count < expected:
        notes.append(f"{expected - count} of {expected} returns missing")
    return "; ".join(notes)
