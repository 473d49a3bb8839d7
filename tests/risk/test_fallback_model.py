"""The model of an emergency without an estimate: careful, and solvable."""

from __future__ import annotations

import numpy as np

from keeper.risk.budgets import risk_parity
from keeper.risk.fallback_model import fallback_model


def test_every_asset_is_wild_all_fall_together_and_half_may_be_lost() -> None:
    model = fallback_model(("WBTC", "WETH", "LINK"), 1_000, "no bars")
    covariance = np.array(model.covariance)
    np.testing.assert_array_equal(np.diag(covariance), 4.0)
    np.testing.assert_allclose(covariance[0, 1:], 0.95 * 4.0)
    assert model.worst_losses == ((0.5, 0.5, 0.5),)
    assert {asset.provenance for asset in model.assets} == {"fallback model: no bars"}


def test_its_risk_can_be_budgeted() -> None:
    model = fallback_model(("WBTC", "WETH", "LINK"), 1_000, "no bars")
    np.testing.assert_allclose(risk_parity(model.covariance, np.ones(3)), 1 / 3, rtol=1e-12)
