"""The figures a backtest is judged by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.result import BacktestResult
from keeper.backtest.sharpe import sharpe
from keeper.domain.decision import Action
from keeper.domain.units import BPS, SECONDS_PER_YEAR

DAY_S = 86_400
DAYS_A_YEAR = 365.0


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of one result. Volatilities, returns, drawdown: fractions, annualised over 365 days where a year matters.

    ``sharpe`` is of simple daily returns over no interest, annualised; ``sharpe_error`` its standard error (Lo 2002
    with Mertens' correction for skewness and kurtosis). ``turnover`` NAVs a year, ``trades`` a year, ``cost_bps`` of
    NAV a year without interest, ``interest_bps`` net interest paid. ``share_dispersion``: root mean square of
    risk shares off their budgets (NaN for strategies without budgets). ``min_health_factor`` at the bars' lows.
    """

    name: str
    years: float
    growth: float
    realised_volatility: float
    target_volatility: float
    max_drawdown: float
    sharpe: float
    sharpe_error: float
    share_dispersion: float
    turnover: float
    trades: float
    cost_bps: float
    interest_bps: float
    min_health_factor: float
    liquidations: int


def summarise(result: BacktestResult) -> Summary:
    """The summary; figures that one day or a worthless vault does not allow are NaN."""
    years = _years(result)
    daily = daily_returns(result)
    ratio, error = sharpe(simple_returns(result)).annualised(DAYS_A_YEAR)
    made = [event for event in result.events if not event.held_by and event.cause != "liquidation"]
    fees, slippage, flash, gas, borrowed, earned, liquidation = yearly_bps(result).tolist()
    assert len(astuple(result.costs)) == result.cost_path.shape[1], "one column per kind of cost"
    return Summary(
        name=result.name,
        years=years,
        growth=float(result.nav_usd[-1] / result.nav_usd[0]) - 1.0,
        realised_volatility=volatility(daily),
        target_volatility=result.policy_volatility,
        max_drawdown=float(drawdowns(result.nav_usd).max()),
        sharpe=ratio,
        sharpe_error=error,
        share_dispersion=share_dispersion(result),
        turnover=math.fsum(event.turnover for event in made) / years,
        trades=sum(event.action is not Action.HOLD for event in made) / years,
        cost_bps=fees + slippage + flash + gas + liquidation,
        interest_bps=borrowed - earned,
        min_health_factor=float(result.low_health_factor.min()),
        liquidations=sum(event.cause == "liquidation" for event in result.events),
    )


def daily_closes(result: BacktestResult) -> NDArray[np.intp]:
    """Places of the bars that close a day, 24:00 UTC."""
    return np.flatnonzero(result.times % DAY_S == 0)


def daily_returns(result: BacktestResult) -> NDArray[np.float64]:
    """Log returns of NAV from one day's close to the next; NaN from a worthless vault on."""
    nav = result.nav_usd[daily_closes(result)]
    worth = np.where(nav > 0.0, nav, np.nan)
    return np.asarray(np.diff(np.log(worth)))


def simple_returns(result: BacktestResult) -> NDArray[np.float64]:
    """NAV at a day's close over the close before, minus 1. A Sharpe ratio of log returns would be lower by about half
    the volatility, and so favour what moves little."""
    return np.asarray(np.expm1(daily_returns(result)))


def volatility(daily: NDArray[np.float64]) -> float:
    """Annualised standard deviation of daily returns; NaN for fewer than two."""
    return float(daily.std(ddof=1)) * math.sqrt(DAYS_A_YEAR) if daily.size > 1 else math.nan


def drawdowns(nav: NDArray[np.float64]) -> NDArray[np.float64]:
    """Loss since the highest value so far, as a positive fraction, (T,)."""
    return np.asarray(1.0 - nav / np.maximum.accumulate(nav))


def rolling_volatility(daily: NDArray[np.float64], days: int) -> NDArray[np.float64]:
    """Annualised volatility of the last ``days`` returns at each of them, (T,); NaN before there are so many."""
    rolled = np.full(daily.size, math.nan)
    if daily.size >= days:
        windows = np.lib.stride_tricks.sliding_window_view(daily, days)
        rolled[days - 1 :] = windows.std(axis=1, ddof=1) * math.sqrt(DAYS_A_YEAR)
    return rolled


def share_dispersion(result: BacktestResult) -> float:
    """Root mean square of the held risk shares off their budgets, over the bars at which something is held.

    Budgets of assets that have not joined yet, never held so far, go to the others, as in the strategy.
    """
    invested = result.risk_shares.sum(axis=1) > 0.5
    if not invested.any():
        return math.nan
    return math.sqrt(float(squared_shares_off(result)[invested].mean()))


def squared_shares_off(result: BacktestResult) -> NDArray[np.float64]:
    """Mean over assets of the squared risk share off its budget (T,); 0 where nothing is held."""
    invested = result.risk_shares.sum(axis=1) > 0.5
    joined = np.logical_or.accumulate(result.risk_shares != 0.0, axis=0).sum(axis=1)
    off = np.square(result.risk_shares - budgets_due(result.risk_shares, result.budgets)).sum(axis=1)
    return np.where(invested, off / np.maximum(joined, 1), 0.0)


def budgets_due(risk_shares: NDArray[np.float64], budgets: Sequence[float]) -> NDArray[np.float64]:
    """Budgets (T, n) of the assets that have joined, scaled to sum to 1; 0 before the first one."""
    joined = np.logical_or.accumulate(risk_shares != 0.0, axis=0)
    due = np.where(joined, np.array(budgets), 0.0)
    totals = due.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(due, totals, out=np.zeros_like(due), where=totals > 0.0))


def yearly_bps(result: BacktestResult) -> NDArray[np.float64]:
    """Bps of NAV a year by kind, in the order of the fields of ``Costs``; each bar's in parts of the NAV it was paid
    from."""
    path = result.cost_path
    paid = np.diff(path, axis=0, prepend=np.zeros((1, path.shape[1])))
    nav = np.where(result.nav_usd > 0.0, result.nav_usd, np.nan)
    return np.asarray(np.nansum(paid / nav[:, None], axis=0) * BPS / _years(result))


def _years(result: BacktestResult) -> float:
    return max(result.times.size - 1, 1) * result.bar_seconds / SECONDS_PER_YEAR
