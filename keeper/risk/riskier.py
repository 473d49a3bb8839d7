"""The riskier of two estimates of the same assets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from keeper.domain.model import AssetRisk, RiskModel


def riskier(
    model: RiskModel, covariance: Sequence[Sequence[float]], unit_weights: Sequence[float], *, source: str
) -> RiskModel:
    """The model, raised to another estimate's ``covariance`` (n, n) where that one is riskier.

    Each asset has the higher of both volatilities. The correlations are those under which the portfolio of
    ``unit_weights`` (n,) is more volatile. ``source`` names the other estimate in the provenance.
    """
    ours, theirs = np.array(model.covariance), np.array(covariance)
    deviations = np.sqrt(np.maximum(ours.diagonal(), theirs.diagonal()))
    held = deviations * np.array(unit_weights)
    correlation = max(
        (_correlation(ours), _correlation(theirs)), key=lambda matrix: float(held @ matrix @ held)
    )
    raised = correlation * np.outer(deviations, deviations)
    return replace(
        model,
        covariance=tuple(tuple(row) for row in raised.tolist()),
        assets=tuple(
            _raised(asset, deviation, source)
            for asset, deviation in zip(model.assets, deviations.tolist(), strict=True)
        ),
    )


def _correlation(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    deviations = np.sqrt(covariance.diagonal())
    return np.asarray(covariance / np.outer(deviations, deviations))


def _raised(asset: AssetRisk, deviation: float, source: str) -> AssetRisk:
    if deviation <= asset.blended:
        return asset
    note = f"{asset.provenance}; raised to {source} {deviation:.1%}"
    return replace(asset, blended=deviation, provenance=note)
