"""Risk parity over factors: shares on their budgets wherever weights without short positions meet them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import nnls

from keeper.domain.errors import InvalidBudgets, InvalidCovariance, InvalidSetting
from keeper.domain.policy import RiskFactor
from keeper.recorded.path import recorded_path
from keeper.recorded.prices import price_file
from keeper.risk.allocations import allocate
from keeper.risk.budgets import risk_parity
from keeper.risk.caps import Cap
from keeper.risk.contributions import risk_shares
from keeper.risk.factors import (
    FactorBudgets,
    factor_risk_parity,
    factor_shares,
    named_factors,
    unexplained_share,
)
from keeper.risk.torsion import torsion_factors, torsion_parity
from tests.properties import examples

DATA = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data")
POINT = 0.01
"""A point of risk, the promise of a factor's share."""
CRYPTO_AND_GOLD = np.array([[0.36, 0.384, 0.009], [0.384, 0.64, 0.012], [0.009, 0.012, 0.0225]])
SYMBOLS = ("WBTC", "WETH", "PAXG")
Problem = tuple[np.ndarray, FactorBudgets, tuple[str, ...]]


@st.composite
def problems(draw: st.DrawFn, short: bool = True) -> Problem:
    """Up to eight assets with volatilities over three orders of magnitude, and up to as many factors."""
    n = draw(st.integers(2, 8))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    loadings = generator.normal(0.5, 0.7, (n, 2))
    base = loadings @ loadings.T + np.diag(generator.uniform(0.01, 1, n))
    scale = 10.0 ** generator.uniform(-3, 0, n) / np.sqrt(np.diag(base))
    m = int(generator.integers(1, n + 1))
    portfolios = generator.random((m, n)) * (generator.random((m, n)) < 0.5)
    if short:
        portfolios *= np.where(generator.random((m, n)) < 0.25, -1.0, 1.0)
    portfolios[np.arange(m), np.arange(m)] = 1.0
    names = tuple(f"f{place}" for place in range(m))
    budgets = 10.0 ** generator.uniform(-1, 0, m)
    factors = FactorBudgets(names, portfolios, budgets / budgets.sum())
    return base * np.outer(scale, scale), factors, tuple(f"A{place}" for place in range(n))


def misses(weights: np.ndarray, covariance: np.ndarray, factors: FactorBudgets) -> float:
    return float(np.abs(factor_shares(weights, covariance, factors.portfolios) - factors.budgets).max())


def nearest_exposures(covariance: np.ndarray, factors: FactorBudgets) -> float:
    """Of any weights without short positions the smallest distance from the wanted exposures, as a part of them: an
    independent answer to whether such weights exist."""
    of_factors = factors.portfolios @ covariance @ factors.portfolios.T
    loadings = covariance @ factors.portfolios.T @ np.linalg.inv(of_factors)
    wanted = risk_parity(of_factors, factors.budgets)
    root = np.linalg.cholesky(of_factors).T
    unit = np.sqrt(np.diag(covariance))
    wanted = wanted / np.linalg.norm(root @ wanted)
    _, distance = nnls(root @ (loadings / unit[:, None]).T, root @ wanted)
    return float(distance)


def in_risk(weights: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Weights times volatilities, with sum 1: a quiet asset's large weight would hide all others."""
    return np.asarray(weights * deviations / (weights * deviations).sum())


# ------------------------------------------------------------- by hand


def test_crypto_and_gold_carry_half_of_the_risk_each() -> None:
    # The factor "crypto" is half WBTC, half WETH: variance (0.36 + 0.64)/4 + 0.384/2 = 0.442, covariance with gold 0.0105.
    # Two factors with equal budgets are held in proportion to 1 / volatility: 1/0.664831 and 1/0.15.
    factors = (
        RiskFactor("crypto", 0.5, (("WBTC", 0.5), ("WETH", 0.5))),
        RiskFactor("gold", 0.5, (("PAXG", 1.0),)),
    )
    found = allocate("factor_risk_parity", CRYPTO_AND_GOLD, np.ones(3), SYMBOLS, factors=factors)
    crypto, gold = 1 / np.sqrt(0.442), 1 / 0.15
    expected = np.array([crypto / 2, crypto / 2, gold]) / (crypto + gold)
    np.testing.assert_allclose(found.weights, expected, rtol=1e-9)
    assert found.binding == ()
    # By assets, gold has half of the risk too: nothing else is in its factor.
    assert risk_shares(found.weights, CRYPTO_AND_GOLD)[2] == pytest.approx(0.5)


def test_one_factor_for_each_asset_is_risk_parity_of_the_assets() -> None:
    factors = tuple(RiskFactor(symbol, 1 / 3, ((symbol, 2.0),)) for symbol in SYMBOLS)
    found = allocate("factor_risk_parity", CRYPTO_AND_GOLD, np.ones(3), SYMBOLS, factors=factors)
    np.testing.assert_allclose(found.weights, risk_parity(CRYPTO_AND_GOLD, np.ones(3)), rtol=1e-9)


def test_a_budget_that_needs_a_short_position_gives_the_nearest_weights_and_names_the_asset() -> None:
    # Two assets, two factors: gold, and gold less bitcoin. Exposure to the second is a short position in bitcoin.
    factors = (
        RiskFactor("gold", 0.1, (("PAXG", 1.0),)),
        RiskFactor("gold less bitcoin", 0.9, (("PAXG", 1.0), ("WBTC", -1.0))),
    )
    found = allocate("factor_risk_parity", np.diag([0.36, 0.0225]), [1, 1], ("WBTC", "PAXG"), factors=factors)
    assert found.binding == ("long_only:WBTC",)
    assert found.weights.tolist() == [0.0, 1.0]


def test_factors_that_only_short_positions_hold_are_refused_by_their_names() -> None:
    factors = (RiskFactor("bitcoin less gold", 1.0, (("WBTC", 0.01), ("PAXG", -1.0))),)
    covariance = np.array([[0.36, 0.08], [0.08, 0.0225]])
    with pytest.raises(
        InvalidBudgets, match="without short positions holds the factors bitcoin less gold long"
    ):
        allocate("factor_risk_parity", covariance, [1, 1], ("WBTC", "PAXG"), factors=factors)


def test_a_cap_moves_the_weights_to_the_nearest_within_it_and_is_named() -> None:
    factors = (
        RiskFactor("crypto", 0.5, (("WBTC", 0.5), ("WETH", 0.5))),
        RiskFactor("gold", 0.5, (("PAXG", 1.0),)),
    )
    cap = Cap("max_share:PAXG", ("PAXG",), 0.6)
    found = allocate("factor_risk_parity", CRYPTO_AND_GOLD, np.ones(3), SYMBOLS, (cap,), factors)
    assert found.weights[2] == pytest.approx(0.6, abs=1e-9)
    assert "max_share:PAXG" in found.binding


def test_a_missing_table_and_an_unknown_asset_are_refused_with_the_remedy() -> None:
    with pytest.raises(InvalidSetting, match="no \\[\\[size.factors\\]\\] table"):
        named_factors((), SYMBOLS)
    with pytest.raises(InvalidSetting, match="the factor gold names XAUt"):
        named_factors((RiskFactor("gold", 1.0, (("XAUt", 1.0),)),), SYMBOLS)


@pytest.mark.parametrize(
    ("portfolios", "named"),
    [
        ((("WBTC", 0.5), ("WETH", 0.5)), "crypto, other"),  # the same
        ((("WBTC", 1.01), ("WETH", 0.99)), "crypto, other"),  # almost
        ((("WBTC", -0.5), ("WETH", -0.5)), "crypto, other"),  # its opposite
        ((("WBTC", 1.0), ("WETH", 1.0), ("PAXG", 1.0)), "crypto, gold, other"),  # both others together
    ],
)
def test_factors_that_are_one_bet_are_refused_by_their_names(
    portfolios: tuple[tuple[str, float], ...], named: str
) -> None:
    factors = (
        RiskFactor("crypto", 0.4, (("WBTC", 0.5), ("WETH", 0.5))),
        RiskFactor("gold", 0.4, (("PAXG", 1.0),)),
        RiskFactor("other", 0.2, portfolios),
    )
    with pytest.raises(InvalidSetting, match=f"the factors {named} are fewer bets") as caught:
        named_factors(factors, SYMBOLS)
    assert "Leave one of them out" in caught.value.remedy


def test_more_factors_than_assets_are_refused() -> None:
    factors = tuple(
        RiskFactor(name, 0.25, (("WBTC", 1.0), ("WETH", part)))
        for name, part in zip("abcd", (0.0001, 1.0, 2.0, 5.0), strict=True)
    )
    with pytest.raises(InvalidSetting, match="fewer bets"):
        named_factors(factors, SYMBOLS)


def test_factors_that_differ_by_a_tilt_are_two() -> None:
    tilted = (
        RiskFactor("a", 0.5, (("WBTC", 0.5), ("WETH", 0.5))),
        RiskFactor("b", 0.5, (("WBTC", 0.6), ("WETH", 0.4))),
    )
    assert named_factors(tilted, SYMBOLS).names == ("a", "b")


def test_factors_of_assets_that_move_alike_are_refused_by_their_names() -> None:
    covariance = np.array([[0.36, 0.36, 0.0], [0.36, 0.36, 0.0], [0.0, 0.0, 0.02]])
    factors = tuple(RiskFactor(symbol.lower(), 1 / 3, ((symbol, 1.0),)) for symbol in SYMBOLS)
    with pytest.raises(InvalidBudgets, match="the factors wbtc, weth move together"):
        allocate("factor_risk_parity", covariance, np.ones(3), SYMBOLS, factors=factors)


def test_a_factor_with_a_short_leg_goes_when_it_loses_an_asset_and_one_without_keeps_the_rest() -> None:
    spread = RiskFactor("spread", 0.5, (("WETH", 1.0), ("WBTC", -1.0)))
    crypto = RiskFactor("crypto", 0.5, (("WETH", 1.0), ("WBTC", 1.0)))
    assert spread.of(("WETH", "PAXG")) is None
    assert crypto.of(("WETH", "PAXG")) == RiskFactor("crypto", 0.5, (("WETH", 1.0),))
    assert crypto.of(("PAXG",)) is None


# ---------------------------------------------------------- properties


@examples(200)
@given(problem=problems(short=False))
def test_long_only_factors_always_carry_their_budgets_with_nothing_unexplained(problem: Problem) -> None:
    covariance, factors, names = problem
    found = factor_risk_parity(covariance, factors, names)
    assert found.short == ()
    assert misses(found.weights, covariance, factors) < 1e-6
    assert unexplained_share(found.weights, covariance, factors.portfolios) < 1e-9


@examples(200)
@given(problem=problems())
def test_shares_are_within_a_point_wherever_weights_without_shorts_exist_and_named_where_not(
    problem: Problem,
) -> None:
    covariance, factors, names = problem
    distance = nearest_exposures(covariance, factors)
    try:
        found = factor_risk_parity(covariance, factors, names)
    except InvalidBudgets:
        assert distance > POINT
        return
    assert found.weights.min() >= 0.0
    assert found.weights.sum() == pytest.approx(1.0)
    if distance < 1e-9:
        assert found.short == ()
    if not found.short:
        assert misses(found.weights, covariance, factors) < POINT


@examples(100)
@given(problem=problems())
def test_the_scale_of_a_portfolio_and_of_the_covariance_leave_the_weights(problem: Problem) -> None:
    covariance, factors, names = problem
    scaled = FactorBudgets(factors.names, factors.portfolios * 7.0, factors.budgets)
    try:
        first = factor_risk_parity(covariance, factors, names).weights
    except InvalidBudgets:
        return
    again = factor_risk_parity(covariance * 3.0, scaled, names).weights
    deviations = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(in_risk(again, deviations), in_risk(first, deviations), atol=1e-5)


@pytest.mark.slow
@pytest.mark.skipif(price_file(DATA) is None, reason=f"no recorded history in {DATA}")
def test_shares_are_on_their_budgets_on_recorded_history_or_an_asset_is_named() -> None:
    symbols = ("WBTC", "WETH", "LINK", "PAXG")
    since, until = datetime(2021, 1, 1, tzinfo=UTC), datetime(2023, 12, 29, tzinfo=UTC)
    path = recorded_path(DATA, symbols, since, until, max_gap_s=43_200)
    returns = np.nan_to_num(np.diff(np.log(path.closes), axis=0))
    held = np.array([[0.4, 0.4, 0.2, 0.0], [0.0, 0.0, 0.0, 1.0]])
    long_only = FactorBudgets(("crypto", "gold"), held, np.array([0.6, 0.4]))
    spread = np.vstack([held, [-1.0, 1.0, 0.0, 0.0]])
    with_spread = FactorBudgets(("crypto", "gold", "spread"), spread, np.array([0.5, 0.4, 0.1]))
    looks = range(2_880, len(returns), 720)
    for end in looks:
        covariance = np.cov(returns[end - 2_880 : end].T) * 8_760
        assert factor_risk_parity(covariance, long_only, symbols).short == ()
        torsion = torsion_factors(covariance, np.ones(4), symbols)
        torsion = FactorBudgets(torsion.names, torsion.portfolios, np.full(4, 0.25))
        for factors in (long_only, with_spread, torsion):
            parity = factor_risk_parity(covariance, factors, symbols)
            assert parity.short or misses(parity.weights, covariance, factors) < POINT
    assert len(looks) > 30


# ------------------------------------------------------------- torsion


def test_torsion_of_equally_correlated_assets_keeps_them_equal() -> None:
    covariance = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    found = torsion_parity(covariance, np.ones(3), SYMBOLS, caps=None)
    np.testing.assert_allclose(found.weights, np.full(3, 1 / 3), rtol=1e-9)


@examples(150)
@given(problem=problems())
def test_torsion_factors_are_uncorrelated_and_carry_the_budgets_or_name_an_asset(problem: Problem) -> None:
    covariance, _, names = problem
    budgets = np.linspace(1.0, 2.0, len(names))
    factors = torsion_factors(covariance, budgets, names)
    of_factors = factors.portfolios @ covariance @ factors.portfolios.T
    deviations = np.sqrt(np.diag(of_factors))
    np.testing.assert_allclose(of_factors / np.outer(deviations, deviations), np.eye(len(names)), atol=1e-7)
    found = torsion_parity(covariance, budgets, names, caps=None)
    assert found.short or misses(found.weights, covariance, factors) < 1e-6


@examples(50)
@given(problem=problems(), tilt=st.integers(0, 2**32 - 1))
def test_no_other_uncorrelated_factors_are_nearer_to_the_assets(problem: Problem, tilt: int) -> None:
    covariance, _, names = problem
    deviations = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviations, deviations)
    torsion = torsion_factors(covariance, np.ones(len(names)), names).portfolios * deviations

    def distance(rows: np.ndarray) -> float:
        return float(np.trace((rows - np.eye(len(names))) @ correlation @ (rows - np.eye(len(names))).T))

    turn, _ = np.linalg.qr(
        np.random.default_rng(tilt).normal(size=correlation.shape) * 0.1 + np.eye(len(names))
    )
    scales = np.sqrt(np.diag(torsion @ correlation @ torsion.T))
    turned = scales[:, None] * (turn * np.sign(np.diag(turn))[:, None] @ (torsion / scales[:, None]))
    assert distance(torsion) <= distance(turned) + 1e-9


def test_twins_have_no_uncorrelated_factors_of_their_own() -> None:
    with pytest.raises(InvalidCovariance, match="no 2 uncorrelated factors"):
        torsion_factors(np.ones((2, 2)), [1, 1], ("WETH", "stETH"))
