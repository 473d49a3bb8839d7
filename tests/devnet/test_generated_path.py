"""A generated path has everything a backtest reads."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from keeper.devnet.generated_path import generated_path
from keeper.domain.errors import BadInput

SINCE, UNTIL = datetime(2021, 1, 1, tzinfo=UTC), datetime(2021, 3, 1, tzinfo=UTC)


def test_equal_seeds_give_equal_bits_and_others_another_market() -> None:
    one, same, other = (generated_path(("WBTC", "UNI"), SINCE, UNTIL, seed) for seed in (7, 7, 8))
    for series in ("closes", "lows", "stable", "gas_price_wei"):
        np.testing.assert_array_equal(getattr(one, series), getattr(same, series))
        assert not np.array_equal(getattr(one, series), getattr(other, series))


def test_a_generated_path_fills_its_range_and_says_what_it_is() -> None:
    path = generated_path(("WETH", "WBTC"), SINCE, UNTIL, 7)
    assert path.source == "generated, seed 7"
    assert path.times[0] == SINCE.timestamp() + 3600
    assert path.times[-1] == UNTIL.timestamp()
    assert path.closes.shape == (59 * 24, 2)
    assert {one.underlying for one in path.implied} == {"BTC", "ETH"}
    assert np.all((path.lows > 0.0) & (path.lows <= path.closes))
    assert np.all(path.lows[1:] <= path.closes[:-1])
    assert path.gas_price_wei.min() > 0


def test_other_assets_and_empty_ranges_are_refused() -> None:
    with pytest.raises(BadInput, match="DOGE"):
        generated_path(("DOGE",), SINCE, UNTIL, 7)
    with pytest.raises(BadInput, match="not one hour"):
        generated_path(("WBTC",), UNTIL, SINCE, 7)
