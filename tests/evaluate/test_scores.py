"""Scores: by hand, and what makes each of them a fair judge."""

from __future__ import annotations

import numpy as np
import pytest

from keeper.evaluate.scores import bias, log_likelihood, mean_and_t, portfolio_variances, qlike

TRUE = np.array([[0.04, 0.03], [0.03, 0.09]])


def drawn(days: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).multivariate_normal(np.zeros(2), TRUE, days)


def repeated(matrix: np.ndarray, days: int) -> np.ndarray:
    return np.repeat(matrix[None], days, axis=0)


def test_the_log_likelihood_is_the_gaussian_density() -> None:
    from scipy.stats import multivariate_normal

    returns = drawn(20)
    expected = multivariate_normal(np.zeros(2), TRUE).logpdf(returns)
    np.testing.assert_allclose(expected, log_likelihood(repeated(TRUE, 20), returns), rtol=1e-10)


@pytest.mark.parametrize("factor", [0.6, 0.8, 1.25, 1.6])
def test_the_true_covariance_scores_best(factor: float) -> None:
    returns = drawn(20_000)
    variances = np.square(returns)
    true, wrong = repeated(TRUE, 20_000), repeated(factor * TRUE, 20_000)
    assert log_likelihood(true, returns).mean() > log_likelihood(wrong, returns).mean()
    diagonals = [np.diagonal(one, axis1=1, axis2=2) for one in (true, wrong)]
    assert qlike(diagonals[0], variances).mean() < qlike(diagonals[1], variances).mean()


def test_qlike_is_zero_where_the_forecast_was_exact_and_punishes_too_little_more_than_too_much() -> None:
    assert qlike(np.array([0.3]), np.array([0.3]))[0] == 0.0
    too_low, too_high = qlike(np.array([0.5, 2.0]), np.array([1.0, 1.0]))
    assert too_low == pytest.approx(2.0 - np.log(2.0) - 1.0)
    assert too_low > too_high > 0.0


def test_portfolio_variances_by_hand() -> None:
    found = portfolio_variances(np.array([[0.5, 0.5], [1.0, 0.0]]), TRUE[None])
    np.testing.assert_allclose([[0.25 * (0.04 + 0.06 + 0.09), 0.04]], found)


@pytest.mark.parametrize(("factor", "expected"), [(1.0, 1.0), (0.25, 2.0), (4.0, 0.5)])
def test_the_bias_is_one_for_an_honest_forecaster_and_above_for_one_who_understates(
    factor: float, expected: float
) -> None:
    weights = np.random.default_rng(2).dirichlet(np.ones(2), 20)
    found = bias(weights, repeated(factor * TRUE, 20_000), drawn(20_000))
    assert expected == pytest.approx(found, rel=0.03)


def test_the_t_value_of_independent_days_is_the_plain_one() -> None:
    values = np.random.default_rng(3).normal(0.1, 1.0, 5_000)
    mean, t = mean_and_t(values, 0)
    assert mean == values.mean()
    assert t == pytest.approx(mean / (values.std() / np.sqrt(5_000)))


def test_overlapping_days_count_for_less() -> None:
    # Sums of 7 days: each new one brings a seventh of its own, so the plain t-value is about √7 too large.
    noise = np.random.default_rng(4).normal(0.05, 1.0, 30_000)
    overlapping = np.convolve(noise, np.ones(7), mode="valid")
    _, plain = mean_and_t(overlapping, 0)
    _, robust = mean_and_t(overlapping, 60)
    assert plain / robust == pytest.approx(np.sqrt(7), rel=0.1)


def test_what_never_varies_has_no_t_value() -> None:
    assert mean_and_t(np.zeros(100), 5) == (0.0, 0.0)
