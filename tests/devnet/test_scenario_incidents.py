"""What an incident changes in a market."""

from __future__ import annotations

import numpy as np
import pytest

from keeper.devnet import history
from keeper.devnet.history import MarketHistory
from keeper.devnet.scenario.incidents import (
    INCIDENTS,
    GasSpike,
    Incident,
    PinnedFeed,
    PriceFall,
    WrongFeed,
    calm_path,
    with_incident,
)

HOUR = 3_600


@pytest.fixture(scope="module")
def start() -> MarketHistory:
    return history.load(None, None)


def test_a_fall_is_even_in_logarithms_and_stays() -> None:
    incident = Incident("fall", "", 10, falls=(PriceFall(0.25, 2, 4, symbols=("LINK",)),))
    assert [incident.market_factor("LINK", hour) for hour in (0, 2, 3, 4, 9)] == [1.0, 1.0, 0.5, 0.25, 0.25]
    assert incident.market_factor("WETH", 9) == 1.0


def test_a_fall_without_symbols_is_of_every_risk_asset_and_not_of_the_dollar() -> None:
    incident = Incident("fall", "", 10, falls=(PriceFall(0.5, 0, 1),))
    assert [incident.market_factor(symbol, 5) for symbol in ("WBTC", "UNI", "USDC")] == [0.5, 0.5, 1.0]


def test_a_wrong_feed_answers_beside_the_market_only_in_its_time() -> None:
    incident = Incident("wrong", "", 10, wrong_feeds=(WrongFeed(0.9, 2.0, 4.0),))
    prices = [incident.feed_price("WETH", hour, 100.0, first=100.0) for hour in (1.9, 2.0, 3.9, 4.0)]
    assert prices == [100.0, 90.0, 90.0, 100.0]


def test_a_pinned_feed_has_a_floor() -> None:
    incident = Incident("pin", "", 10, pinned=(PinnedFeed("LINK", 0.8),))
    assert incident.feed_price("LINK", 1, 9.0, first=10.0) == 9.0
    assert incident.feed_price("LINK", 1, 4.0, first=10.0) == 8.0
    assert incident.feed_price("WETH", 1, 4.0, first=10.0) == 4.0


def test_the_path_of_an_incident_has_its_falls_and_its_gas(start: MarketHistory) -> None:
    incident = Incident("all", "", 6, falls=(PriceFall(0.5, 1, 3),), gas=(GasSpike(50.0, 2, 4),))
    calm = calm_path(incident, start)
    path = with_incident(calm, incident)
    ratios = path.closes / calm.closes
    np.testing.assert_allclose(ratios[:, path.symbols.index("WETH")], [1, 1, 0.5**0.5, 0.5, 0.5, 0.5, 0.5])
    np.testing.assert_allclose(ratios[:, path.symbols.index("USDC")], 1.0)
    assert (path.base_fee_wei // calm.base_fee_wei).tolist() == [1, 1, 50, 50, 1, 1, 1]
    assert path.base_fee(path.begins + 4 * HOUR - 1) == 50 * path.base_fee(path.begins)


def test_prices_between_two_closes_are_on_a_line_of_logarithms(start: MarketHistory) -> None:
    path = calm_path(INCIDENTS[0], start)
    close, after = path.closes[2:4, 0]
    middle = path.price("WBTC", path.begins + 2 * HOUR + HOUR // 2)
    assert middle == pytest.approx((close * after) ** 0.5, rel=1e-12)
    assert path.price("WBTC", path.begins + 3 * HOUR) == pytest.approx(after, rel=1e-12)
    assert path.price("WBTC", path.begins - 5) == pytest.approx(path.closes[0, 0], rel=1e-12)


def test_the_hours_of_an_incident_are_the_same_in_every_run(start: MarketHistory) -> None:
    first, second = (calm_path(INCIDENTS[0], start) for _ in range(2))
    np.testing.assert_array_equal(first.closes, second.closes)
    assert first.closes[0].tolist() == pytest.approx(
        [start.last_price(symbol) for symbol in first.symbols], rel=1e-12
    )


def test_markets_answer_from_the_window_behind_the_history(start: MarketHistory) -> None:
    path = calm_path(INCIDENTS[0], start)
    series = path.served().price("WETH")
    assert series.times[-1] == path.ends
    assert np.all(np.diff(series.times) > 0)
    assert series.prices[-1] == pytest.approx(path.price("WETH", path.ends), rel=1e-12)


def test_names_are_unique() -> None:
    names = [incident.name for incident in INCIDENTS]
    assert len(set(names)) == len(names)
