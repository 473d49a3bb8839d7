"""Between the engine and the compiled screen: what it needs beforehand, and what it leaves behind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.ledger import Ledger, supply_rates
from keeper.backtest.universe import Universe
from keeper.backtest.venue import LendingTerms
from keeper.decision.costs import assumed_costs_bps
from keeper.decision.gates import (
    LIMITS,
    TRIGGERS,
    WITH_CLOCK,
    WITH_PAUSE_STATE,
    WITH_QUEUE,
    WITH_REQUEST,
)
from keeper.domain.path import MarketPath
from keeper.domain.policy import DecisionPolicy, EstimatePolicy, Policy
from keeper.domain.units import BPS, SECONDS_PER_YEAR, WAD
from keeper.domain.urgency import Urgency
from keeper.risk.ewma import bars_of, decay
from keeper.risk.returns import log_returns
from keeper.risk.volatility import volatility_paths
from keeper.sizing.bounds import utilisation_at_rate

if TYPE_CHECKING:
    from keeper.backtest.record import Recorder
    from keeper.backtest.screen.numbers import Assets, Market, Rules, State

KNOWN_RULES = frozenset(
    {
        *(
            "health_factor_act",
            "health_factor_alert",
            "risk_share",
            "tracking_error",
            "volatility",
            "leverage",
        ),
        *(
            "age",
            "prices_fresh",
            "sequencer_up",
            "oracle_gap",
            "in_flight",
            "keeper_role",
            "vault_not_paused",
        ),
        *("settings_within_vault", "gas_balance", "cooldown", "gas_price", "daily_loss_budget"),
        *("daily_turnover_budget", "min_trade", "benefit_exceeds_cost", "improves", "no_overshoot"),
    }
)
"""The triggers and limits that the screen was written for; another one, and every bar is asked."""
NEVER_HOLD = (WITH_REQUEST, WITH_QUEUE, WITH_PAUSE_STATE, WITH_CLOCK)
"""Conditions that never hold in a backtest: nobody requests, redeems or pauses, and there is no clock but the bars'."""
ALLOCATIONS = ("risk_parity", "equal_weight", "inverse_volatility", "minimum_variance")
BLENDS = ("variance", "log")
CORRELATIONS: Mapping[str, Callable[[EstimatePolicy], tuple[float, ...]]] = {
    "ewma": lambda policy: (policy.correlation_half_life_days,),
    "ewma_mix": lambda policy: policy.mix_half_lives_days,
}
"""Half-lives, days, by ``estimate.correlation``."""
AIMS = {"target": 0, "ellipsoid": 1}
BOUNDS = (
    "target_volatility",
    "policy_cap",
    "health_factor",
    "stress",
    "borrowing_power",
    "vault_leverage",
    "vault_health_factor",
)
DEBT_BOUNDS = ("borrow_cap", "liquidity", "utilisation", "carry")
"""In the order of ``all_bounds``; the assets' caps come between."""
NEVER = -2


def can_screen(policy: Policy) -> bool:
    """Whether the compiled screen knows all that this policy asks for."""
    rules = {rule.name for rule in (*TRIGGERS, *LIMITS) if rule.condition not in NEVER_HOLD}
    return (
        find_spec("numba") is not None
        and rules <= KNOWN_RULES
        and policy.size.allocation in ALLOCATIONS
        and not policy.size.groups
        and policy.estimate.correlation in CORRELATIONS
        and policy.estimate.implied_blend in BLENDS
    )


class Screening:
    """One universe's walk. ``policy`` is tightened by the vault's."""

    def __init__(
        self, path: MarketPath, universe: Universe, policy: Policy, ledger: Ledger, recorder: Recorder
    ) -> None:
        from keeper.backtest.screen.numbers import HELD_BY, Traces
        from keeper.backtest.screen.walk import walk

        self._walk, self._held_by = walk, HELD_BY
        self._codes = {name: code for code, name in enumerate(HELD_BY)}
        self._universe, self._ledger, self._recorder = universe, ledger, recorder
        symbols = [path.symbols[column] for column in universe.columns]
        self._rules = _rules(policy, ledger)
        self._market = _market(path, universe.columns, policy)
        self._assets = _assets(path, symbols, policy, ledger)
        self._state = _state(len(symbols), policy.estimate)
        bars, m = len(path.times), len(symbols)
        self._traces = Traces(
            nav=np.zeros(bars),
            weights=np.zeros((bars, m)),
            risk_shares=np.zeros((bars, m)),
            target_leverage=np.zeros(bars),
            binding=np.zeros(bars, dtype=np.int16),
            health_factor=np.zeros(bars),
            low_health_factor=np.zeros(bars),
            forecast=np.zeros(bars),
            aimed_at=np.zeros(bars),
            tracking_error=np.zeros(bars),
            borrow_interest=np.zeros(bars),
            interest_earned=np.zeros(bars),
        )
        names = (
            *BOUNDS,
            *(f"weight_cap:{symbol}" for symbol in symbols),
            *(f"supply_cap:{symbol}" for symbol in symbols),
            *DEBT_BOUNDS,
        )
        self._names = np.array([recorder.name_number(name) for name in names], dtype=np.int16)

    def skip(self, t: int, held_by: str) -> tuple[int, str]:
        """The next bar that must be asked, at or after ``t``, and what holds back the bar before it; the vault and the
        record have passed those before."""
        ledger, columns = self._ledger, self._universe.columns
        state = self._state
        state.amounts[:] = ledger.amounts[columns]
        state.vault[:] = (
            ledger.cash,
            ledger.debt,
            ledger.borrow_rate * (self._rules.bar_seconds / SECONDS_PER_YEAR),
            ledger.used_loss,
            ledger.used_turnover,
            ledger.used_at,
            ledger.last_rebalance,
            ledger.on_paper,
            *ledger.spent_on_interest(),
        )
        held = self._codes.get(held_by, NEVER)
        found, held = self._walk(
            t, self._universe.stop, held, self._rules, self._market, self._assets, state, self._traces
        )
        if found > t:
            ledger.amounts[columns] = state.amounts
            ledger.debt = float(state.vault[1])
            ledger.record_interest(float(state.vault[8]), float(state.vault[9]))
            self._recorder.skipped(
                t, found, columns, self._traces, self._names, ledger.spent, ledger.on_paper
            )
        return found, self._held_by[held] if found > t else held_by


def _rules(policy: Policy, ledger: Ledger) -> Rules:
    from keeper.backtest.screen import numbers

    estimate, size, decision = policy.estimate, policy.size, policy.decision
    vault = ledger.venue.vault
    routine, pressing = decision.at(Urgency.ROUTINE), decision.at(Urgency.OUT_OF_BAND)
    floor = max(size.min_health_factor, vault.min_health_factor / WAD)
    largest_loss = vault.max_loss_bps / BPS
    return numbers.Rules(
        bar_seconds=estimate.bar_seconds,
        window=estimate.history_s // estimate.bar_seconds,
        allocation=ALLOCATIONS.index(size.allocation),
        blend=BLENDS.index(estimate.implied_blend),
        volatility_floor=estimate.volatility_floor,
        implied_max_age_s=float(estimate.implied_max_age_s),
        implied_decay_s=float(estimate.implied_decay_s),
        implied_ratio_min=estimate.implied_ratio_min,
        implied_ratio_max=estimate.implied_ratio_max,
        target_volatility=size.target_volatility,
        max_leverage=size.max_leverage,
        min_health_factor=size.min_health_factor,
        health_factor_floor=floor,
        stress_health_factor=size.stress_health_factor,
        stress_sigmas=size.stress_sigmas,
        scenario_loss=max((scenario.loss for scenario in size.scenarios), default=0.0),
        time_to_act_s=float(size.time_to_act_s),
        idle_buffer=size.idle_buffer,
        vault_leverage=vault.max_leverage / WAD * (1.0 - largest_loss),
        vault_health_factor=vault.min_health_factor / WAD,
        largest_loss=largest_loss,
        bands=_bands(decision),
        looks_at_age="age" in decision.triggers,
        out_of_band=decision.out_of_band,
        risk_share_band=decision.risk_share_band,
        rebalance_to=AIMS.get(decision.rebalance_to, numbers.TO_ELSEWHERE),
        tracking_error_band=decision.tracking_error_band,
        tracking_error_left=decision.tracking_error_left,
        alert_health_factor=max(decision.alert_health_factor, decision.act_health_factor),
        max_age_s=float(decision.max_age_s),
        patience_s=float(decision.patience_s),
        cooldown_s=(float(routine.cooldown_s), float(pressing.cooldown_s)),
        max_gas_price_wei=(float(routine.max_gas_price_wei), float(pressing.max_gas_price_wei)),
        recentring=(routine.recentring, pressing.recentring),
        max_trade=(routine.max_trade, pressing.max_trade),
        max_loss_bps=float(vault.max_loss_bps),
        flash_premium_bps=float(ledger.venue.flash_premium_bps),
        rebalance_gas=float(decision.rebalance_gas),
        daily_loss=vault.max_daily_loss_bps / BPS,
        daily_turnover=vault.max_daily_turnover_bps / BPS,
        min_trade_usd=decision.min_trade_usd,
        risk_aversion=decision.risk_aversion,
        horizon_years=decision.horizon_s / SECONDS_PER_YEAR,
    )


def _bands(decision: DecisionPolicy) -> tuple[float, float, float, float]:
    bands = {
        "risk_share": decision.risk_share_band,
        "tracking_error": decision.tracking_error_band,
        "volatility": decision.volatility_band,
        "leverage": decision.leverage_band,
    }
    one, two, three, four = (band if name in decision.triggers else math.inf for name, band in bands.items())
    return one, two, three, four


def _market(path: MarketPath, columns: NDArray[np.intp], policy: Policy) -> Market:
    from keeper.backtest.screen import numbers

    closes = np.ascontiguousarray(path.closes[:, columns])
    returns = np.full(closes.shape, np.nan)
    returns[1:] = log_returns(closes)
    implied, age = _implied(path)
    gas_symbol = policy.plan.gas_usd_price_symbol
    gas_usd = path.closes[:, path.symbols.index(gas_symbol)] if gas_symbol in path.symbols else path.stable
    return numbers.Market(
        times=path.times,
        closes=closes,
        lows=np.ascontiguousarray(path.lows[:, columns]),
        stable=path.stable,
        returns=returns,
        complete=np.isfinite(returns).all(axis=1),
        historical=volatility_paths(closes, policy.estimate),
        implied=implied,
        implied_age=age,
        worst_loss=_worst_losses(closes, policy, path.bar_seconds),
        gas_price_wei=path.gas_price_wei.astype(np.float64),
        gas_usd=np.ascontiguousarray(gas_usd),
    )


def _implied(path: MarketPath) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The value known at each bar and its age; the last column is an underlying without any."""
    values = np.full((len(path.times), len(path.implied) + 1), np.nan)
    ages = np.zeros_like(values)
    for place, series in enumerate(path.implied):
        position = np.searchsorted(series.times, path.times, side="right") - 1
        known = position >= 0
        values[known, place] = series.volatility[position[known]]
        ages[known, place] = path.times[known] - series.times[position[known]]
    return values, ages


def _worst_losses(closes: NDArray[np.float64], policy: Policy, bar_seconds: int) -> NDArray[np.float64]:
    """``keeper.risk.estimate.worst_loss`` of the window that ends at each bar."""
    import pandas as pd

    window = policy.estimate.history_s // bar_seconds
    hold = min(max(1, math.ceil(policy.size.time_to_act_s / bar_seconds)), window - 1)
    growth = np.full(closes.shape, np.nan)
    growth[hold:] = closes[hold:] / closes[:-hold]
    known = np.isfinite(growth)
    counts = known.sum(axis=1)
    mean = np.where(counts > 0, np.where(known, growth, 0.0).sum(axis=1) / np.maximum(counts, 1), np.nan)
    least: NDArray[np.float64] = pd.Series(mean).rolling(window - hold, min_periods=1).min().to_numpy()
    return np.asarray(np.maximum(0.0, 1.0 - np.nan_to_num(least, nan=1.0)))


def _assets(path: MarketPath, symbols: list[str], policy: Policy, ledger: Ledger) -> Assets:
    from keeper.backtest.screen import numbers

    venue = ledger.venue
    loss = venue.vault.max_loss_bps / BPS
    underlyings = [series.underlying for series in path.implied]
    assets = [policy.asset(symbol) for symbol in symbols]
    total = math.fsum(asset.budget for asset in assets)
    years = path.bar_seconds / SECONDS_PER_YEAR
    places = [
        -1
        if asset.implied_underlying is None
        else underlyings.index(asset.implied_underlying)
        if asset.implied_underlying in underlyings
        else len(underlyings)
        for asset in assets
    ]
    return numbers.Assets(
        budgets=np.array([asset.budget / total for asset in assets]),
        underlying=np.array(places, dtype=np.int64),
        implied_weight=np.array([asset.implied_weight for asset in assets]),
        liquidation_threshold=np.array([venue.terms(s).liquidation_threshold_bps / BPS for s in symbols]),
        ltv=np.array([venue.terms(symbol).ltv_bps / BPS for symbol in symbols]),
        weight_cap=np.array(
            [min(asset.max_weight, venue.max_weight_bps / BPS * (1.0 - loss)) for asset in assets]
        ),
        supply_room=np.array([_supply_room(venue.terms(s), policy.size.market_share) for s in symbols]),
        market_share=policy.size.market_share,
        max_share=np.array([asset.max_share if asset.max_share < 1.0 else math.inf for asset in assets]),
        max_weight=np.array([asset.max_weight for asset in assets]),
        trade_cost_bps=np.array(assumed_costs_bps(policy, tuple(symbols))),
        debt_room=_debt_rooms(venue.lending[0], policy),
        growth=supply_rates(venue, path.symbols)[[path.symbols.index(s) for s in symbols]] * years,
    )


def _supply_room(terms: LendingTerms, share: float) -> float:
    """Whole tokens, as ``keeper.sizing.bounds`` has it for what others supply: our share of the cap they leave."""
    return math.inf if terms.supply_cap == 0 else share * max(0.0, terms.supply_cap - terms.supplied)


def _debt_rooms(terms: LendingTerms, policy: Policy) -> NDArray[np.float64]:
    """Debt that each of DEBT_BOUNDS allows, whole tokens; what is owed already may stay, but not for the carry."""
    size = policy.size
    free = terms.supplied - terms.borrowed
    cap = (
        math.inf if terms.borrow_cap == 0 else size.market_share * max(0.0, terms.borrow_cap - terms.borrowed)
    )
    at_rate = utilisation_at_rate(terms.curve, size.max_borrow_rate)
    carry = math.inf if at_rate >= 1.0 else max(0.0, at_rate * terms.supplied - terms.borrowed)
    return np.array(
        [cap, size.market_share * free, size.max_utilisation * terms.supplied - terms.borrowed, carry]
    )


def _state(m: int, policy: EstimatePolicy) -> State:
    from keeper.backtest.screen import numbers
    from keeper.risk.compiled.scaling import workspace

    days = CORRELATIONS[policy.correlation](policy)
    decays = np.array([decay(bars_of(half_life, policy.bar_seconds)) for half_life in days])
    kinds = 3 if policy.shrink else 1
    return numbers.State(
        sums=np.zeros((len(decays), kinds, m, m)),
        decays=decays,
        moments=np.zeros((kinds, m, m)),
        shares=np.zeros(len(decays)),
        squares=np.full(2, -1.0),
        counts=np.zeros(2, dtype=np.int64),
        x=np.ones(m),
        correlation=np.eye(m),
        covariance=np.eye(m),
        work=np.zeros((m, m)),
        row=np.zeros(m),
        used=np.zeros(m),
        solver=workspace(m),
        amounts=np.zeros(m),
        vault=np.zeros(10),
    )
