"""Hierarchical risk parity: small trees by hand, and the remedy where the library is missing."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest

from keeper.domain.errors import InvalidSetting
from keeper.risk.allocations import require_available
from keeper.risk.hierarchical import hierarchical_risk_parity


def test_two_assets_are_held_in_inverse_proportion_to_their_variances() -> None:
    weights = hierarchical_risk_parity([[0.04, 0.03], [0.03, 0.16]], [0.5, 0.5], ("B", "A"))
    np.testing.assert_allclose(weights, [0.8, 0.2], rtol=1e-14)


def test_two_pairs_are_split_by_the_variance_of_each_pair() -> None:
    # Lopez de Prado 2016: each pair's variance at inverse-variance weights, then within the pair.
    volatilities = np.array([0.2, 0.5, 0.4, 0.3])
    correlation = np.array([[1, 0.1, 0.9, 0.1], [0.1, 1, 0.1, 0.8], [0.9, 0.1, 1, 0.1], [0.1, 0.8, 0.1, 1]])
    sigma = correlation * np.outer(volatilities, volatilities)
    expected = np.zeros(4)
    variance = {}
    for pair in ([0, 2], [1, 3]):
        inverse = 1 / volatilities[pair] ** 2
        expected[pair] = inverse / inverse.sum()
        variance[pair[0]] = expected[pair] @ sigma[np.ix_(pair, pair)] @ expected[pair]
    total = variance[0] + variance[1]
    expected[[0, 2]] *= variance[1] / total
    expected[[1, 3]] *= variance[0] / total
    np.testing.assert_allclose(hierarchical_risk_parity(sigma, np.ones(4)), expected, rtol=1e-12)


def test_one_asset_gets_everything() -> None:
    assert hierarchical_risk_parity([[0.36]], [1.0]).tolist() == [1.0]


def test_the_scale_of_the_covariance_does_not_matter() -> None:
    sigma = np.array([[0.04, 0.03, 0.01], [0.03, 0.16, 0.02], [0.01, 0.02, 0.25]])
    weights = hierarchical_risk_parity(sigma, np.ones(3))
    np.testing.assert_allclose(hierarchical_risk_parity(1e-12 * sigma, np.ones(3)), weights, rtol=1e-9)


def test_the_librarys_warnings_are_hidden_and_the_filters_restored() -> None:
    before = list(warnings.filters)
    hierarchical_risk_parity(np.eye(3), np.ones(3))
    assert list(warnings.filters) == before


def test_without_the_library_the_remedy_is_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypfopt", None)
    for attempt in (
        lambda: require_available("hierarchical_risk_parity"),
        lambda: hierarchical_risk_parity(np.eye(2), np.ones(2)),
    ):
        with pytest.raises(InvalidSetting, match="needs PyPortfolioOpt") as caught:
            attempt()
        assert "pip install -e '.[research]'" in caught.value.remedy
    require_available("risk_parity")
