"""Of two estimates the riskier counts: volatility by volatility, and the correlations of the riskier portfolio."""

from __future__ import annotations

import numpy as np
import pytest

from keeper.risk.riskier import riskier
from tests.factories import VOLATILITIES, a_model

OTHER = a_model()
EQUAL = (0.25, 0.25, 0.25, 0.25)


def test_each_asset_has_the_higher_of_both_volatilities() -> None:
    model = a_model(volatilities=(0.9, 0.1, 0.75, 0.2))
    raised = riskier(model, OTHER.covariance, EQUAL, source="the other's")
    expected = (0.9, VOLATILITIES[1], 0.75, VOLATILITIES[3])
    assert np.sqrt(np.diag(raised.covariance)) == pytest.approx(expected)
    assert tuple(asset.blended for asset in raised.assets) == pytest.approx(expected)
    assert raised.assets[1].provenance.endswith("raised to the other's 50.0%")
    assert raised.assets[0] == model.assets[0]
    assert raised.worst_losses == model.worst_losses


@pytest.mark.parametrize("correlation", [0.0, 0.95])
def test_the_correlations_of_the_riskier_portfolio_count(correlation: float) -> None:
    matrix = np.full((4, 4), correlation) + (1.0 - correlation) * np.eye(4)
    model = a_model(correlation=matrix.tolist())
    raised = riskier(model, OTHER.covariance, EQUAL, source="the other's")
    assert raised.covariance[0][1] == pytest.approx(
        max(model.covariance[0][1], OTHER.covariance[0][1]), rel=1e-12
    )
