"""What the compiled screen works on: tuples of numbers and arrays, named as in ``keeper.domain.policy``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F = NDArray[np.float64]

YEAR_S = 31_536_000.0
DAY_S = 86_400.0
WAD = 1e18

ASK, FIRED_NOTHING = -1, -2
ROUTINE, OUT_OF_BAND = 0, 1
HELD_BY = (
    "",
    "cooldown",
    "gas_price",
    "daily_loss_budget",
    "daily_turnover_budget",
    "min_trade",
    "benefit_exceeds_cost",
)
"""What a code means; 0: nothing asks for a trade."""
RISK_PARITY, EQUAL_WEIGHT, INVERSE_VOLATILITY, MINIMUM_VARIANCE = 0, 1, 2, 3
IN_VARIANCE, IN_LOGS = 0, 1
TO_TARGET, TO_ELLIPSOID, TO_ELSEWHERE = 0, 1, 2

CASH, DEBT, RATE, USED_LOSS, USED_TURNOVER, USED_AT, LAST, ON_PAPER, INTEREST, EARNED = range(10)
"""Places in ``State.vault``."""


class Rules(NamedTuple):
    """The policy, tightened by the vault's."""

    bar_seconds: int
    window: int
    allocation: int
    blend: int
    volatility_floor: float
    implied_max_age_s: float
    implied_decay_s: float
    implied_ratio_min: float
    implied_ratio_max: float
    target_volatility: float
    max_leverage: float
    min_health_factor: float
    health_factor_floor: float
    stress_health_factor: float
    stress_sigmas: float
    scenario_loss: float
    time_to_act_s: float
    idle_buffer: float
    vault_leverage: float
    vault_health_factor: float
    largest_loss: float
    bands: tuple[float, float, float, float]
    """Of risk share, tracking error, volatility, leverage; inf where the policy does not name the trigger."""
    looks_at_age: bool
    out_of_band: float
    risk_share_band: float
    rebalance_to: int
    tracking_error_band: float
    tracking_error_left: float
    alert_health_factor: float
    max_age_s: float
    patience_s: float
    cooldown_s: tuple[float, float]
    max_gas_price_wei: tuple[float, float]
    recentring: tuple[float, float]
    max_trade: tuple[float, float]
    max_loss_bps: float
    flash_premium_bps: float
    rebalance_gas: float
    daily_loss: float
    daily_turnover: float
    min_trade_usd: float
    risk_aversion: float
    horizon_years: float


class Market(NamedTuple):
    """One universe's columns of the path, and what can be known of each bar beforehand; (T, m) or (T,)."""

    times: NDArray[np.int64]
    closes: F
    lows: F
    stable: F
    returns: F
    complete: NDArray[np.bool_]
    historical: F
    implied: F
    implied_age: F
    worst_loss: F
    gas_price_wei: F
    gas_usd: F


class Assets(NamedTuple):
    """Per asset (m,). ``underlying``: column of ``Market.implied``, or -1. ``growth``: supply interest of one bar.

    ``supply_room`` (m,) and ``debt_room`` (4,): whole tokens that the market's limits leave us."""

    budgets: F
    underlying: NDArray[np.int64]
    implied_weight: F
    liquidation_threshold: F
    ltv: F
    weight_cap: F
    supply_room: F
    market_share: float
    max_share: F
    max_weight: F
    trade_cost_bps: F
    debt_room: F
    growth: F


class State(NamedTuple):
    """What the walk keeps between calls: running sums, the last solution, the vault."""

    sums: F
    decays: F
    moments: F
    shares: F
    squares: F
    """What follows from the number of bars in the window: of each decay; ``sum w²`` and the number it was made for."""
    counts: NDArray[np.int64]
    """Next bar to enter, complete bars in the window."""
    x: F
    correlation: F
    covariance: F
    work: F
    row: F
    used: F
    solver: F
    amounts: F
    vault: F
    """cash, debt, borrow rate a bar, used loss, used turnover, used at, last rebalance, dollars on paper per dollar,
    borrow interest paid, interest earned."""


class Traces(NamedTuple):
    """Where the numbers of skipped bars go, (T,) or (T, m)."""

    nav: F
    weights: F
    risk_shares: F
    target_leverage: F
    binding: NDArray[np.int16]
    health_factor: F
    low_health_factor: F
    forecast: F
    aimed_at: F
    tracking_error: F
    borrow_interest: F
    interest_earned: F
