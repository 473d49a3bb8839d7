"""Allocations within caps: the optimality conditions, the caps to the last bit, and nothing where none binds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from keeper.domain.errors import InvalidSetting, KeeperError, SolverFailed
from keeper.risk import capped
from keeper.risk.allocations import ALLOCATIONS, Allocated, allocate
from keeper.risk.budgets import risk_parity
from keeper.risk.caps import Cap, feasible_caps
from keeper.risk.contributions import risk_shares
from tests.factories import CORRELATION, RISK_SYMBOLS, VOLATILITIES
from tests.properties import examples

SIGMA = np.array(CORRELATION) * np.outer(VOLATILITIES, VOLATILITIES)
BUDGETS = np.full(4, 0.25)
QUICK = ("risk_parity", "inverse_volatility", "equal_weight", "minimum_variance")


def single(symbol: str, share: float) -> Cap:
    return Cap(f"max_share:{symbol}", (symbol,), share)


def group(name: str, symbols: tuple[str, ...], share: float) -> Cap:
    return Cap(f"group:{name}", symbols, share)


def allocated(name: str, *caps: Cap) -> Allocated:
    return allocate(name, SIGMA, BUDGETS, RISK_SYMBOLS, caps)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[Cap, ...]]:
    """A covariance with volatilities over three orders of magnitude, budgets, and caps that may overlap."""
    n = draw(st.integers(2, 8))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    loadings = generator.normal(0.5, 0.7, (n, 2))
    base = loadings @ loadings.T + np.diag(generator.uniform(0.01, 1, n))
    scale = 10.0 ** generator.uniform(-3, 0, n) / np.sqrt(np.diag(base))
    names = tuple(f"A{i}" for i in range(n))
    caps = [
        single(name, round(generator.uniform(0.05, 0.9), 2)) for name in names if generator.random() < 0.4
    ]
    for place in range(int(generator.integers(1, 4))):
        members = tuple(name for name in names if generator.random() < 0.5)
        if members:
            caps.append(group(str(place), members, round(generator.uniform(0.1, 0.95), 2)))
    budgets = 10.0 ** generator.uniform(-2, 0, n)
    return base * np.outer(scale, scale), budgets / budgets.sum(), names, tuple(caps)


# ------------------------------------------------------------- by hand


def test_an_asset_at_its_cap_carries_less_than_its_budget_and_the_others_carry_what_it_leaves() -> None:
    # Uncorrelated, volatility 1: uncapped 1/2, 1/4, 1/4 for budgets 4:1:1. Capped at 0.4 the rest is equal, 0.3 each.
    found = allocate("risk_parity", np.eye(3), [4, 1, 1], ("A", "B", "C"), (single("A", 0.4),))
    np.testing.assert_allclose(found.weights, [0.4, 0.3, 0.3], rtol=1e-12)
    assert found.binding == ("max_share:A",)
    shares = risk_shares(found.weights, np.eye(3))
    assert shares[0] < 4 / 6
    assert shares[1] == pytest.approx(shares[2])


def test_a_capped_group_keeps_its_budgets_among_its_own() -> None:
    # Uncorrelated: within the group stationarity reads w_i^2 in proportion to b_i only up to the common price of the cap,
    # so equal budgets and volatilities stay equal.
    found = allocate(
        "risk_parity", np.eye(4), np.ones(4), ("A", "B", "C", "D"), (group("g", ("A", "B"), 0.3),)
    )
    np.testing.assert_allclose(found.weights, [0.15, 0.15, 0.35, 0.35], rtol=1e-12)
    assert found.binding == ("group:g",)


def test_groups_that_share_everything_out_are_met_exactly() -> None:
    found = allocated(
        "risk_parity", group("majors", ("WBTC", "WETH"), 0.7), group("defi", ("LINK", "UNI"), 0.3)
    )
    assert found.weights[:2].sum() == pytest.approx(0.7, abs=1e-15)
    assert found.weights[2:].sum() == pytest.approx(0.3, abs=1e-15)
    assert found.binding == ("group:majors", "group:defi")


def test_caps_of_one_over_n_give_equal_weights() -> None:
    found = allocated("risk_parity", *(single(symbol, 0.25) for symbol in RISK_SYMBOLS))
    np.testing.assert_allclose(found.weights, 0.25, atol=1e-15)


def test_what_a_cap_cuts_off_goes_to_the_others_in_proportion_where_there_is_no_objective() -> None:
    free = allocated("inverse_volatility").weights
    bound = allocated("inverse_volatility", single("WBTC", 0.2)).weights
    np.testing.assert_allclose(bound[1:] / bound[1], free[1:] / free[1], rtol=1e-13)
    assert bound[0] == 0.2


def test_a_capped_group_keeps_its_proportions_where_there_is_no_objective() -> None:
    free = allocated("inverse_volatility").weights
    bound = allocated("inverse_volatility", group("defi", ("LINK", "UNI"), 0.2)).weights
    assert bound[2] / bound[3] == pytest.approx(free[2] / free[3], rel=1e-13)
    assert bound[0] / bound[1] == pytest.approx(free[0] / free[1], rel=1e-13)


def test_hierarchical_risk_parity_is_capped_as_well() -> None:
    found = allocated("hierarchical_risk_parity", single("WBTC", 0.3))
    assert found.weights[0] == 0.3
    assert found.binding == ("max_share:WBTC",)


# ---------------------------------------------------------- properties


@pytest.mark.parametrize("name", sorted(ALLOCATIONS))
def test_weights_that_obey_the_caps_are_returned_to_the_bit(name: str) -> None:
    free = ALLOCATIONS[name](SIGMA, BUDGETS, RISK_SYMBOLS)
    found = allocated(name, single("WBTC", 0.95), group("defi", ("LINK", "UNI"), 0.6))
    assert found.weights.tolist() == free.tolist()
    assert found.binding == ()


@pytest.mark.parametrize("name", QUICK)
@given(problem=problems())
@examples(60)
def test_caps_are_kept_to_the_last_bit_and_named_where_they_bind(
    name: str, problem: tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[Cap, ...]]
) -> None:
    sigma, budgets, names, caps = problem
    found = solved(name, *problem)
    assert np.all(found.weights >= 0)
    assert math.fsum(found.weights) == pytest.approx(1.0, abs=1e-14)
    for cap in caps:
        used = math.fsum(found.weights[names.index(symbol)] for symbol in cap.symbols)
        assert used <= cap.max_share
        assert (cap.name in found.binding) == (used >= cap.max_share * (1 - 1e-9) and found.binding != ())
    assert allocate(name, sigma, budgets, names, caps).weights.tolist() == found.weights.tolist()


@given(problems())
@examples(100)
def test_capped_risk_budgets_meet_their_optimality_conditions_to_1e_10(
    problem: tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[Cap, ...]],
) -> None:
    # For y = w / s_p: y_i (S y)_i - b_i + y_i sum_j (A_ji - c_j) m_j = 0 with m >= 0, m_j = 0 for slack caps.
    from scipy.optimize import nnls

    sigma, budgets, names, caps = problem
    weights, binding = solved("risk_parity", *problem)
    y = weights / np.sqrt(weights @ sigma @ weights)
    tight = [cap for cap in caps if cap.name in binding]
    cone = np.array([[(name in cap.symbols) - cap.max_share for name in names] for cap in tight])
    terms = (cone.reshape(-1, len(names)) * y / budgets).T
    missing = 1 - y * (sigma @ y) / budgets
    multipliers = nnls(terms, missing)[0] if tight else np.zeros(0)
    assert np.abs(terms @ multipliers - missing).max() <= 1e-10


@pytest.mark.parametrize("name", ["risk_parity", "minimum_variance"])
@given(problem=problems(), seed=st.integers(0, 2**32 - 1))
@examples(60)
def test_no_other_portfolio_within_the_caps_is_better(
    name: str, problem: tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[Cap, ...]], seed: int
) -> None:
    sigma, budgets, names, caps = problem
    weights = solved(name, *problem).weights

    def worth(w: np.ndarray) -> float:
        variance = float(w @ sigma @ w)
        return (
            -variance if name == "minimum_variance" else float(budgets @ np.log(w)) - 0.5 * math.log(variance)
        )

    feasible = feasible_caps(caps, names)
    best = worth(weights)
    for draw in np.random.default_rng(seed).dirichlet(np.ones(len(names)), 20):
        for share in (0.9, 0.5, 0.1):
            other = share * draw + (1 - share) * feasible.interior
            if np.all(feasible.members @ other <= feasible.shares):
                for part in (1.0, 1e-2, 1e-4):
                    assert worth((1 - part) * weights + part * other) <= best + 1e-12 * abs(best)


@given(problems(), st.floats(1e-6, 1e6), st.randoms(use_true_random=False))
@examples(50)
def test_scaling_and_permuting_do_to_capped_weights_what_they_do_to_free_ones(
    problem: tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[Cap, ...]], scale: float, random: object
) -> None:
    sigma, budgets, names, caps = problem
    weights = solved("risk_parity", *problem).weights
    order = list(range(len(names)))
    random.shuffle(order)  # type: ignore[attr-defined]
    other = allocate(
        "risk_parity", scale * sigma[np.ix_(order, order)], budgets[order], [names[i] for i in order], caps
    )
    np.testing.assert_allclose(other.weights, weights[order], rtol=1e-8)


def test_a_stable_with_a_cap_is_solved_although_it_would_take_almost_everything() -> None:
    volatilities = np.array([1e-5, 0.03, 0.04])
    sigma = np.array([[1, 0, 0], [0, 1, 0.8], [0, 0.8, 1]]) * np.outer(volatilities, volatilities)
    assert risk_parity(sigma, np.ones(3))[0] > 0.999
    found = allocate("risk_parity", sigma, np.ones(3), ("USDT", "A", "B"), (single("USDT", 0.25),))
    assert found.weights[0] == pytest.approx(0.25, abs=1e-15)
    # What it leaves of its budget, almost all, the others carry in proportion to their weights.
    extra = (risk_shares(found.weights, sigma) - 1 / 3) / found.weights
    assert extra[1] == pytest.approx(extra[2], rel=1e-12)
    assert extra[1] == pytest.approx((1 / 3) / 0.75, rel=1e-5)


def test_without_enough_steps_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capped, "MAX_STEPS", 0)
    with pytest.raises(SolverFailed, match="within caps solved to inf only"):
        allocated("risk_parity", single("WBTC", 0.2))


def test_a_result_that_misses_the_budgets_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capped, "FULL_STEP_DECREMENT", np.inf)
    monkeypatch.setattr(capped, "LAST_STEP_DECREMENT", np.inf)
    with pytest.raises(SolverFailed, match=r"within caps solved to 0\.\d+ only, not 1e-10"):
        allocated("risk_parity", single("WBTC", 0.2))


def test_caps_that_allow_nothing_are_an_error_of_the_settings() -> None:
    with pytest.raises(InvalidSetting, match=r"max_share:WBTC 0\.2.*allow 0\.8"):
        allocated("equal_weight", *(single(symbol, 0.2) for symbol in RISK_SYMBOLS))


def solved(
    name: str, sigma: np.ndarray, budgets: np.ndarray, names: tuple[str, ...], caps: tuple[Cap, ...]
) -> Allocated:
    """Only problems that have a solution."""
    try:
        feasible_caps(caps, names)
    except KeeperError:
        assume(False)
    return allocate(name, sigma, budgets, names, caps)
