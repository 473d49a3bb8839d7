"""Textbook estimators against the same written out."""

from __future__ import annotations

import numpy as np
import pytest

from keeper.evaluate import textbook
from keeper.evaluate.history import PointInTimeData, PointInTimeHistory
from keeper.evaluate.peers import ESTIMATORS, peers
from tests.evaluate.markets import market
from tests.factories import DAY


def seen(days: int = 120, **changes: object) -> PointInTimeData:
    return PointInTimeHistory(market(days + 5, **changes), 100 * DAY, ("BTC", "ETH", None)).at(days)  # type: ignore[arg-type]


def test_rolling_is_the_sample_covariance_of_sixty_days() -> None:
    one = seen()
    returns = np.diff(np.log(one.daily_closes), axis=0)[-60:]
    np.testing.assert_allclose(365 * np.cov(returns.T), textbook.rolling(one))


def test_expanding_forgets_nothing() -> None:
    one = seen()
    np.testing.assert_allclose(
        365 * np.cov(np.diff(np.log(one.daily_closes), axis=0).T), textbook.expanding(one)
    )


def test_the_constant_covariance_ignores_prices() -> None:
    np.testing.assert_array_equal(textbook.constant(seen()), textbook.constant(seen(regimes=False)))


def test_realised_covariance_finds_a_calm_market() -> None:
    found = textbook.realised_covariance(seen(regimes=False))
    np.testing.assert_allclose(0.16, np.diag(found), rtol=0.3)
    assert found[0, 1] / np.sqrt(found[0, 0] * found[1, 1]) == pytest.approx(0.8, abs=0.05)


def test_the_ratio_is_one_where_options_are_priced_fairly_and_nan_without_options() -> None:
    found = textbook.realised_to_implied(seen(120, regimes=False))
    np.testing.assert_allclose(1.0, found[:2], rtol=0.35)
    assert np.isnan(found[2])


def test_the_ratio_needs_sixty_days() -> None:
    assert np.isnan(textbook.realised_to_implied(seen(50))).all()


def test_peers_give_covariances_or_say_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    found, absent = peers()
    assert set(found) | set(absent) == set(ESTIMATORS)
    for forecast in found.values():
        matrix = forecast(seen())
        np.testing.assert_allclose(matrix, matrix.T)
        assert np.linalg.eigvalsh(matrix)[0] > 0

    monkeypatch.setattr("keeper.evaluate.peers.find_spec", lambda name: None)
    found, absent = peers()
    assert not found
    assert set(absent.values()) == {"skfolio is not installed"}
