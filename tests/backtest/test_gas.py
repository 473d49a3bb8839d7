"""Gas costs a backtest the same whatever the strategy holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from keeper.backtest.engine import backtest
from keeper.backtest.result import BacktestResult
from keeper.domain.decision import Action
from tests.backtest.paths import FIRST, a_backtest_policy, a_path, a_venue
from tests.factories import a_decision_policy, some_assets

COIN_USD = 2_000.0


def first_trade_of(symbol: str, coin_usd: float) -> BacktestResult:
    path = a_path(bars=FIRST + 2, symbols=(symbol,))
    policy = a_backtest_policy(
        assets=tuple(replace(asset, budget=1.0) for asset in some_assets() if asset.symbol == symbol),
        decision=a_decision_policy(),
    )
    path = replace(path, native_usd=np.full(len(path.times), coin_usd))
    return backtest(path, policy, a_venue(), "one asset")


@pytest.mark.parametrize("symbol", ["WBTC", "WETH", "LINK"])
def test_gas_is_paid_at_the_native_coins_price_whatever_is_held(symbol: str) -> None:
    (trade, *_) = first_trade_of(symbol, COIN_USD).events
    assert trade.action is not Action.HOLD
    assert trade.costs.gas == pytest.approx(first_trade_of("WETH", COIN_USD).events[0].costs.gas)
    assert first_trade_of(symbol, 2 * COIN_USD).events[0].costs.gas == pytest.approx(2 * trade.costs.gas)
