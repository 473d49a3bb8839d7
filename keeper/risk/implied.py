"""Implied volatility blended into historical; a bad reading can only make the result more careful."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.domain.evidence import ImpliedReading
from keeper.domain.policy import AssetPolicy, EstimatePolicy
from keeper.risk.volatility import volatility

Mix = Callable[[float, float, float], float]


def in_variance(historical: float, implied: float, weight: float) -> float:
    """``s² = w IV² + (1 - w) s_hist²``."""
    return math.sqrt(weight * implied**2 + (1.0 - weight) * historical**2)


def in_logs(historical: float, implied: float, weight: float) -> float:
    """``ln s = k ln IV + (1 - k) ln s_hist``: the larger of the two, often the implied, pulls less."""
    return float(implied**weight * historical ** (1.0 - weight))


BLENDS: Mapping[str, Mix] = {"variance": in_variance, "log": in_logs}


@dataclass(frozen=True, slots=True)
class Blend:
    """One asset's annualised volatility. ``weight`` is the share of implied volatility really used."""

    volatility: float
    implied: float | None
    weight: float
    provenance: str


def blends(
    assets: Sequence[AssetPolicy],
    historical: Sequence[float],
    correlation: NDArray[np.float64],
    readings: Sequence[ImpliedReading],
    as_of: int,
    policy: EstimatePolicy,
) -> tuple[Blend, ...]:
    """A blend per asset, in the order given. ``historical`` are annualised volatilities, ``correlation`` (n,
    n).

    An asset with options: the blend that the policy names. One without borrows the ratio of its most
    correlated asset whose implied volatility is in use: ``s_hist (s_ref / s_ref,hist)^rho``. Raises
    InvalidSetting.
    """
    if policy.implied_blend not in BLENDS:
        raise InvalidSetting(
            f"estimate.implied_blend is {policy.implied_blend!r}",
            remedy=f"Set it to one of: {', '.join(sorted(BLENDS))}.",
        )
    by_underlying = {reading.underlying: reading for reading in readings}
    own = {
        index: _own(asset, historical[index], by_underlying, as_of, policy)
        for index, asset in enumerate(assets)
        if asset.implied_underlying is not None
    }
    usable = [index for index, blend in own.items() if blend.weight > 0.0]
    return tuple(
        own[index] if index in own else _borrowed(index, assets, historical, correlation, own, usable, policy)
        for index in range(len(assets))
    )


def with_last_good(
    readings: Sequence[ImpliedReading], earlier: Sequence[ImpliedReading]
) -> tuple[ImpliedReading, ...]:
    """Where the source has no number now, the last one it gave, as old as it is: its weight decays with its age.

    Without it, an outage while implied volatility is above the historical would raise leverage at once.
    """
    last = {reading.underlying: reading for reading in earlier if reading.volatility is not None}
    return tuple(
        replace(last[now.underlying], reason=f"last good value: {now.reason}")
        if now.volatility is None and now.underlying in last
        else now
        for now in readings
    )


def decayed_weight(weight: float, age_s: int, policy: EstimatePolicy) -> float:
    """Full up to the largest age, then falling linearly to 0 over the decay time."""
    overdue = age_s - policy.implied_max_age_s
    if overdue <= 0:
        return weight
    return weight * max(0.0, 1.0 - overdue / policy.implied_decay_s)


def _own(
    asset: AssetPolicy,
    historical: float,
    readings: Mapping[str, ImpliedReading],
    as_of: int,
    policy: EstimatePolicy,
) -> Blend:
    label = volatility(policy.volatility).label
    reading = readings.get(asset.implied_underlying or "")
    if reading is None:
        return Blend(
            historical, None, 0.0, f"{label} only: no implied volatility of {asset.implied_underlying}"
        )
    implied = reading.volatility
    if implied is None or not math.isfinite(implied) or implied <= 0.0:
        reason = reading.reason or f"its value is {implied}"
        return Blend(
            historical, None, 0.0, f"{label} only: no implied volatility of {reading.underlying} ({reason})"
        )
    age = as_of - reading.observed_at
    if age < 0:
        return Blend(
            historical,
            None,
            0.0,
            f"{label} only: {reading.underlying} implied is {-age} s younger than the block",
        )

    weight = decayed_weight(asset.implied_weight, age, policy)
    ratio = implied / historical
    believable = policy.implied_ratio_min <= ratio <= policy.implied_ratio_max
    used = min(implied, policy.implied_ratio_max * historical)
    blended = BLENDS[policy.implied_blend](historical, used, weight)
    source = f"{reading.underlying} implied {implied:.1%} ({reading.source})"
    if age <= policy.implied_max_age_s and believable:
        return Blend(blended, implied, weight, f"{weight:.0%} {source}, {1 - weight:.0%} {label}")

    # A doubtful reading may raise the estimate, never lower it.
    doubt = f"{age} s old" if believable else f"{ratio:.2f} times {label}"
    if blended <= historical:
        return Blend(historical, implied, 0.0, f"{label} only: {source} is {doubt} and would lower it")
    return Blend(blended, implied, weight, f"{weight:.0%} {source}, which is {doubt}, and {label}")


def _borrowed(
    index: int,
    assets: Sequence[AssetPolicy],
    historical: Sequence[float],
    correlation: NDArray[np.float64],
    own: Mapping[int, Blend],
    usable: Sequence[int],
    policy: EstimatePolicy,
) -> Blend:
    label = volatility(policy.volatility).label
    if not usable:
        return Blend(
            historical[index], None, 0.0, f"{label} only: no asset with options to borrow a ratio from"
        )
    reference = max(usable, key=lambda other: correlation[index, other])
    # Volatilities do not move against each other because returns do.
    rho = max(0.0, float(correlation[index, reference]))
    factor = (own[reference].volatility / historical[reference]) ** rho
    return Blend(
        historical[index] * factor,
        None,
        0.0,
        f"{label} × {factor:.3f} borrowed from {assets[reference].symbol} at correlation {rho:.2f}",
    )
