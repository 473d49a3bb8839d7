"""Implied volatility blended into historical. It can only raise the result, because it is a single source."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keeper.domain.errors import InvalidSetting
from keeper.domain.evidence import ImpliedReading
from keeper.domain.policy import AssetPolicy, EstimatePolicy
from keeper.risk.volatility import volatility_estimator

BlendFormula = Callable[[float, float, float], float]
"""Volatility from the historical one, the implied one and the weight of the implied."""


def in_variance(historical: float, implied: float, weight: float) -> float:
    """``s² = w IV² + (1 - w) s_hist²``."""
    return math.sqrt(weight * implied**2 + (1.0 - weight) * historical**2)


def in_logs(historical: float, implied: float, weight: float) -> float:
    """``ln s = k ln IV + (1 - k) ln s_hist``. The larger of the two, often the implied, has less influence than in
    variance."""
    return float(implied**weight * historical ** (1.0 - weight))


BLENDS: Mapping[str, BlendFormula] = {"variance": in_variance, "log": in_logs}


@dataclass(frozen=True, slots=True)
class Blend:
    """One asset's annualised volatility. ``weight`` is the share of implied volatility that it contains, 0 where that
    would lower it."""

    volatility: float
    implied: float | None
    weight: float
    provenance: str


@dataclass(frozen=True, slots=True, eq=False)
class BlendInputs:
    """What the volatilities of n assets are blended from.

    ``historical`` (n,) are annualised volatilities, ``correlation`` (n, n); ``as_of`` is a Unix second.
    """

    assets: Sequence[AssetPolicy]
    historical: Sequence[float]
    correlation: NDArray[np.float64]
    readings: Sequence[ImpliedReading]
    as_of: int
    policy: EstimatePolicy

    @property
    def label(self) -> str:
        """The historical estimator's name on screens."""
        return volatility_estimator(self.policy.volatility).label


def blends(inputs: BlendInputs) -> tuple[Blend, ...]:
    """A blend per asset, in the order given, none below its historical volatility.

    An asset with options: the blend that the policy names. One without borrows the largest ratio
    ``(s_ref / s_ref,hist)^rho`` of those whose implied volatility raises them. A further reading thus never
    lowers any volatility. Raises InvalidSetting.
    """
    if inputs.policy.implied_blend not in BLENDS:
        raise InvalidSetting(
            f"estimate.implied_blend is {inputs.policy.implied_blend!r}",
            remedy=f"Set it to one of: {', '.join(sorted(BLENDS))}.",
        )
    own = {
        index: _own(inputs, index)
        for index, asset in enumerate(inputs.assets)
        if asset.implied_underlying is not None
    }
    references = {index: blend for index, blend in own.items() if blend.weight > 0.0}
    return tuple(
        own[index] if index in own else _borrowed(inputs, index, references)
        for index in range(len(inputs.assets))
    )


def with_last_good(
    readings: Sequence[ImpliedReading], earlier: Sequence[ImpliedReading]
) -> tuple[ImpliedReading, ...]:
    """The readings, with the last number of ``earlier`` where the source gives none now.

    The earlier number keeps its time, so its weight decays with its age. Without it, an outage while implied
    volatility is above the historical would raise leverage at once.
    """
    last = {reading.underlying: reading for reading in earlier if reading.volatility is not None}
    return tuple(
        replace(last[now.underlying], reason=f"last good value: {now.reason}")
        if now.volatility is None and now.underlying in last
        else now
        for now in readings
    )


def decayed_weight(weight: float, age_s: int, policy: EstimatePolicy) -> float:
    """The whole weight up to ``implied_max_age_s``, then falling linearly to 0 over ``implied_decay_s``."""
    overdue = age_s - policy.implied_max_age_s
    if overdue <= 0:
        return weight
    return weight * max(0.0, 1.0 - overdue / policy.implied_decay_s)


def _own(inputs: BlendInputs, index: int) -> Blend:
    """The blend of an asset with options."""
    asset, historical, policy = inputs.assets[index], inputs.historical[index], inputs.policy
    by_underlying = {reading.underlying: reading for reading in inputs.readings}
    reading = by_underlying.get(asset.implied_underlying or "")
    if reading is None:
        return _historical_only(inputs, index, f"no implied volatility of {asset.implied_underlying}")
    implied = reading.volatility
    if implied is None or not math.isfinite(implied) or implied <= 0.0:
        reason = reading.reason or f"its value is {implied}"
        return _historical_only(inputs, index, f"no implied volatility of {reading.underlying} ({reason})")
    age = inputs.as_of - reading.observed_at
    if age < 0:
        return _historical_only(
            inputs, index, f"{reading.underlying} implied is {-age} s younger than the block"
        )

    weight = decayed_weight(asset.implied_weight, age, policy)
    ratio = implied / historical
    used = min(implied, policy.implied_ratio_max * historical)
    volatility = BLENDS[policy.implied_blend](historical, used, weight)
    source = f"{reading.underlying} implied {implied:.1%} ({reading.source})"
    if weight == 0.0 or volatility <= historical:
        return replace(_historical_only(inputs, index, f"{source} does not raise it"), implied=implied)
    if used < implied:
        provenance = f"{weight:.0%} {source}, which is {ratio:.2f} times {inputs.label}, and {inputs.label}"
    elif age > policy.implied_max_age_s:
        provenance = f"{weight:.0%} {source}, which is {age} s old, and {inputs.label}"
    else:
        provenance = f"{weight:.0%} {source}, {1 - weight:.0%} {inputs.label}"
    return Blend(volatility=volatility, implied=implied, weight=weight, provenance=provenance)


def _historical_only(inputs: BlendInputs, index: int, why: str) -> Blend:
    return Blend(
        volatility=inputs.historical[index],
        implied=None,
        weight=0.0,
        provenance=f"{inputs.label} only: {why}",
    )


def _borrowed(inputs: BlendInputs, index: int, references: Mapping[int, Blend]) -> Blend:
    """The blend of an asset without options; ``references`` are the blends that implied volatility raises."""
    if not references:
        return _historical_only(inputs, index, "implied volatility raises no asset with options")
    historical = inputs.historical
    # A negative correlation of returns does not mean that the volatilities move against each other.
    rhos = {other: max(0.0, float(inputs.correlation[index, other])) for other in references}
    factors = {
        other: (references[other].volatility / historical[other]) ** rhos[other] for other in references
    }
    reference = max(factors, key=factors.__getitem__)
    factor, rho = factors[reference], rhos[reference]
    symbol = inputs.assets[reference].symbol
    return Blend(
        volatility=historical[index] * factor,
        implied=None,
        weight=0.0,
        provenance=f"{inputs.label} × {factor:.3f} borrowed from {symbol} at correlation {rho:.2f}",
    )
