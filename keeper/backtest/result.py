"""What a backtest leaves behind: the vault at every bar, and every decision that was more than nothing to do."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keeper.domain.decision import Action
from keeper.domain.urgency import Urgency


@dataclass(frozen=True, slots=True)
class Costs:
    """USD, positive is paid. Supply interest earned is ``interest_earned``; gas is the keeper's, not the vault's."""

    pool_fees: float = 0.0
    slippage: float = 0.0
    flash_premium: float = 0.0
    gas: float = 0.0
    borrow_interest: float = 0.0
    interest_earned: float = 0.0
    liquidation: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A trade, a trade that was wanted and held back, or a liquidation, at the close of a bar.

    ``cause`` is the trigger that set the urgency ("risk_share", "age", ...; "liquidation" for one); ``held_by`` the
    gate that stopped it ("" for a trade). A hold is listed when it begins or its gate changes, not at every bar.
    Weights are value / NAV in the result's order of symbols. ``turnover`` in NAVs, money in USD.
    """

    time: int
    action: Action
    urgency: Urgency
    cause: str
    held_by: str = ""
    reason: str
    weights_before: tuple[float, ...]
    weights_after: tuple[float, ...]
    leverage_before: float
    leverage_after: float
    target_leverage: float = math.nan
    binding: str = ""
    turnover: float = 0.0
    benefit_usd: float = 0.0
    expected_cost_usd: float = 0.0
    costs: Costs


@dataclass(frozen=True, slots=True, eq=False)
class BacktestResult:
    """One strategy along one path, from the first bar that could be decided on.

    Arrays over time have shape (T,), per asset (T, n), all at the bars' closes after trading; assets that had no
    estimate yet have weight 0. ``nav_usd`` is net of every cost, gas included. ``health_factor`` is inf without debt;
    ``low_health_factor`` is taken before trading, at the bar's lows, and at its close for the assets in ``at_closes``,
    which have no recorded lows. ``health_factor_floor`` is the policy's.
    ``forecast_volatility`` is the model's, of the weights held; ``target_volatility`` what ``size`` aimed at after
    bounds; both NaN where no estimate was made (strategies without one: everywhere).
    ``binding[t]`` indexes ``binding_names``. ``costs`` are totals; ``cost_path`` has a column per field of Costs, USD
    accumulated since the start.
    """

    name: str
    source: str
    symbols: tuple[str, ...]
    at_closes: tuple[str, ...]
    budgets: tuple[float, ...]
    times: NDArray[np.int64]
    bar_seconds: int
    closes: NDArray[np.float64]
    nav_usd: NDArray[np.float64]
    weights: NDArray[np.float64]
    risk_shares: NDArray[np.float64]
    leverage: NDArray[np.float64]
    target_leverage: NDArray[np.float64]
    binding: NDArray[np.int16]
    binding_names: tuple[str, ...]
    health_factor: NDArray[np.float64]
    low_health_factor: NDArray[np.float64]
    health_factor_floor: float
    forecast_volatility: NDArray[np.float64]
    target_volatility: NDArray[np.float64]
    policy_volatility: float
    """The policy's target volatility; NaN for strategies without one."""
    events: tuple[Event, ...]
    costs: Costs
    cost_path: NDArray[np.float64]
    notes: tuple[str, ...]
    tracking_error: NDArray[np.float64]
    """(T,), annualised: risk of the held weights against the target's; NaN where there is no target."""
