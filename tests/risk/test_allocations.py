"""What every allocation promises, whichever it is: weights that sum to 1, the same each time, and named errors."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from keeper.domain.errors import InvalidBudgets, InvalidCovariance, InvalidSetting
from keeper.risk.allocations import ALLOCATIONS, FACTOR_RISK_PARITY, allocation, require_available
from keeper.settings.strategy import SizeTable
from tests.factories import CORRELATION, VOLATILITIES

SIGMA = (np.array(CORRELATION) * np.outer(VOLATILITIES, VOLATILITIES))[:3, :3]
NAMES = ("WBTC", "WETH", "LINK")
EVERY = pytest.mark.parametrize("name", sorted(ALLOCATIONS))


def spoiled(i: int, j: int, value: float) -> np.ndarray:
    sigma: np.ndarray = SIGMA.copy()
    sigma[i, j] = sigma[j, i] = value
    return sigma


def one_way(i: int, j: int, factor: float) -> np.ndarray:
    sigma: np.ndarray = SIGMA.copy()
    sigma[i, j] *= factor
    return sigma


def test_the_settings_offer_exactly_these_allocations() -> None:
    assert set(get_args(SizeTable.model_fields["allocation"].annotation)) == {
        *ALLOCATIONS,
        FACTOR_RISK_PARITY,
    }


@pytest.mark.parametrize("find", [allocation, require_available])
def test_an_unknown_allocation_is_refused_with_the_known_ones(find: object) -> None:
    with pytest.raises(InvalidSetting, match="'magic'") as caught:
        find("magic")  # type: ignore[operator]
    assert all(name in caught.value.remedy for name in ALLOCATIONS)


@pytest.mark.slow
@EVERY
def test_weights_are_not_negative_sum_to_one_and_are_the_same_each_time(name: str) -> None:
    weights = allocation(name)(SIGMA, [0.5, 0.3, 0.2], NAMES)
    assert weights.shape == (3,)
    assert np.all(weights >= 0)
    assert weights.sum() == pytest.approx(1.0, abs=1e-14)
    assert allocation(name)(SIGMA, [0.5, 0.3, 0.2], NAMES).tolist() == weights.tolist()


@EVERY
def test_only_risk_parity_and_torsion_use_the_budgets(name: str) -> None:
    equal, unequal = (allocation(name)(SIGMA, budgets, NAMES) for budgets in ([1, 1, 1], [5, 3, 2]))
    assert np.allclose(equal, unequal, rtol=1e-9) == (name not in ("risk_parity", "minimum_torsion"))


@EVERY
def test_the_covariance_given_is_left_alone(name: str) -> None:
    given = SIGMA.copy()
    allocation(name)(given, np.ones(3), NAMES)
    assert given.tolist() == SIGMA.tolist()


@EVERY
@pytest.mark.parametrize(
    ("sigma", "why"),
    [
        (spoiled(1, 2, float("nan")), "covariance of WETH and LINK is nan"),
        (spoiled(0, 1, float("inf")), "covariance of WBTC and WETH is inf"),
        (spoiled(0, 1, float("-inf")), "covariance of WBTC and WETH is -inf"),
        (spoiled(2, 2, 0.0), "variance of LINK is 0.0"),
        (spoiled(1, 1, -0.1), "variance of WETH is -0.1"),
        (spoiled(1, 1, float("nan")), "covariance of WETH and WETH is nan"),
        (one_way(0, 2, 1.01), "not symmetric: WBTC and LINK"),
        (spoiled(0, 2, -0.30), "indefinite: the correlations between WBTC, WETH, LINK contradict"),
        (np.ones((2, 3)), "shape"),
        (SIGMA[:2, :2], "2 rows for 3 assets"),
    ],
)
def test_a_bad_covariance_is_named_with_its_asset(name: str, sigma: np.ndarray, why: str) -> None:
    with pytest.raises(InvalidCovariance, match=why) as caught:
        allocation(name)(sigma, np.ones(3), NAMES)
    assert caught.value.remedy


@EVERY
def test_infinities_of_both_signs_are_named_as_well(name: str) -> None:
    sigma = spoiled(0, 1, float("inf"))
    sigma[1, 2] = sigma[2, 1] = float("-inf")
    with pytest.raises(InvalidCovariance, match="WBTC and WETH is inf"):
        allocation(name)(sigma, np.ones(3), NAMES)


@EVERY
@pytest.mark.parametrize("budget", [0.0, -0.1, float("nan"), float("inf"), float("-inf")])
def test_a_bad_budget_is_named_with_its_asset(name: str, budget: float) -> None:
    with pytest.raises(InvalidBudgets, match="risk budget of WETH"):
        allocation(name)(SIGMA, [0.5, budget, 0.5], NAMES)


@EVERY
@pytest.mark.parametrize("budgets", [[0.5, 0.5], [[0.5, 0.3, 0.2]], []])
def test_budgets_of_the_wrong_shape_are_refused(name: str, budgets: list[float]) -> None:
    with pytest.raises(InvalidBudgets, match="for 3 assets"):
        allocation(name)(SIGMA, budgets, NAMES)


@EVERY
def test_one_asset_gets_everything(name: str) -> None:
    assert allocation(name)([[0.36]], [0.2], ("WBTC",)).tolist() == [1.0]


@EVERY
def test_assets_that_hedge_each_other_completely_are_refused(name: str) -> None:
    sigma = np.array([[1, -1, 0], [-1, 1, 0], [0, 0, 1]], dtype=float)
    with pytest.raises(InvalidCovariance, match=r"WBTC, WETH.*hedge each other"):
        allocation(name)(sigma, np.ones(3), NAMES)


@EVERY
def test_a_hedge_that_only_rounding_keeps_from_being_complete_is_refused(name: str) -> None:
    # The Cholesky factorisation succeeds, the smallest eigenvalue is 5e-14.
    rho = -1 + 5e-14
    sigma = np.array([[1, rho, 0], [rho, 1, 0], [0, 0, 1]])
    with pytest.raises(InvalidCovariance, match=r"WBTC, WETH.*hedge each other"):
        allocation(name)(sigma, np.ones(3), NAMES)


@EVERY
def test_slightly_contradictory_correlations_are_refused(name: str) -> None:
    # Smallest eigenvalue -0.0077: correlations of 0.9 to a third asset allow no less than 0.62.
    sigma = np.array([[1, 0.9, 0.9], [0.9, 1, 0.6], [0.9, 0.6, 1]])
    with pytest.raises(InvalidCovariance, match="indefinite"):
        allocation(name)(sigma, np.ones(3), NAMES)
