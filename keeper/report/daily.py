"""A backtest result at the close of each day, for the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.result import BacktestResult
from keeper.backtest.statistics import daily_closes, daily_returns, drawdowns, rolling_volatility

DAYS_ROLLED = 30


@dataclass(frozen=True, slots=True, eq=False)
class Daily:
    """Arrays over days (D,) or (D, n). ``equity`` starts at 1; ``drawdown`` and ``lowest_health_factor`` are the worst
    of each day's bars."""

    dates: tuple[str, ...]
    equity: NDArray[np.float64]
    drawdown: NDArray[np.float64]
    volatility: NDArray[np.float64]
    forecast: NDArray[np.float64]
    leverage: NDArray[np.float64]
    target_leverage: NDArray[np.float64]
    binding: tuple[str, ...]
    lowest_health_factor: NDArray[np.float64]
    weights: NDArray[np.float64]
    risk_shares: NDArray[np.float64]
    costs_bps: NDArray[np.float64]
    """Paid so far, each bar's in parts of the NAV it was paid from; a column per kind."""
    correlations: dict[str, NDArray[np.float64]]


def daily(result: BacktestResult) -> Daily:
    """The result at 24:00 UTC of each day."""
    places = daily_closes(result)
    nav = np.where(result.nav_usd > 0.0, result.nav_usd, np.nan)
    paid = np.diff(result.cost_path, axis=0, prepend=np.zeros((1, result.cost_path.shape[1])))
    return Daily(
        dates=tuple(
            f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d}" for time in result.times[places].tolist()
        ),
        equity=result.nav_usd[places] / result.nav_usd[0],
        drawdown=_worst(drawdowns(result.nav_usd), places, np.maximum),
        volatility=_after_first(rolling_volatility(daily_returns(result), DAYS_ROLLED), places),
        forecast=result.forecast_volatility[places],
        leverage=result.leverage[places],
        target_leverage=result.target_leverage[places],
        binding=tuple(result.binding_names[number] for number in result.binding[places].tolist()),
        lowest_health_factor=_worst(result.low_health_factor, places, np.minimum),
        weights=result.weights[places],
        risk_shares=result.risk_shares[places],
        costs_bps=np.nancumsum(paid / nav[:, None], axis=0)[places] * 1e4,
        correlations=_correlations(result, places),
    )


def _after_first(values: NDArray[np.float64], places: NDArray[np.intp]) -> NDArray[np.float64]:
    """Returns begin on the second day."""
    return np.concatenate([np.full(min(1, places.size), np.nan), values])


def _worst(values: NDArray[np.float64], places: NDArray[np.intp], worse: np.ufunc) -> NDArray[np.float64]:
    """Of the bars since the day's close before."""
    if not places.size:
        return np.zeros(0)
    starts = np.concatenate([[0], places[:-1] + 1])
    return np.asarray(worse.reduceat(values[: places[-1] + 1], starts))


def _correlations(result: BacktestResult, places: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """Of daily log returns over the last 30 days, for each pair of assets."""
    closes = result.closes[places]
    returns = np.diff(np.log(np.where(closes > 0.0, closes, np.nan)), axis=0)
    correlations = {}
    for i, first in enumerate(result.symbols):
        for j, second in enumerate(result.symbols[:i]):
            correlations[f"{second}–{first}"] = _after_first(_rolling(returns[:, j], returns[:, i]), places)
    return correlations


def _rolling(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    rolled = np.full(first.size, np.nan)
    if first.size < DAYS_ROLLED:
        return rolled
    x, y = (np.lib.stride_tricks.sliding_window_view(side, DAYS_ROLLED) for side in (first, second))
    x, y = x - x.mean(axis=1, keepdims=True), y - y.mean(axis=1, keepdims=True)
    spread = np.sqrt(np.square(x).sum(axis=1) * np.square(y).sum(axis=1))
    product = (x * y).sum(axis=1)
    rolled[DAYS_ROLLED - 1 :] = np.divide(
        product, spread, out=np.full(spread.size, np.nan), where=spread > 0.0
    )
    return rolled
