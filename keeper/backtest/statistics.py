"""The figures a backtest is judged by."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Summary:
    """Figures of one result. Volatilities, returns, drawdown: fractions, annualised over 365 days where a year matters.

    ``sharpe`` is of daily log returns over no interest, annualised; ``sharpe_error`` its standard error (Lo 2002 with
    Mertens' correction for skewness and kurtosis). ``turnover`` NAVs a year, ``trades`` a year, ``cost_bps`` of mean
    NAV a year without interest, ``interest_bps`` net interest paid. ``share_dispersion``: root mean square of realised
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
