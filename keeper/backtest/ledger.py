"""The vault's holdings, debt and paid costs during a backtest, in whole tokens as floats. This is a model."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.result import Costs
from keeper.backtest.venue import SimulatedVenue, VaultSize
from keeper.backtest.windows import Window
from keeper.domain.plan import RebalancePlan, StepKind
from keeper.domain.units import BPS, SECONDS_PER_YEAR, UINT256_MAX
from keeper.lending import aave
from keeper.sizing.bounds import borrow_rate

COST_FIELDS = tuple(field.name for field in fields(Costs))
CLOSE_FACTOR_HEALTH_FACTOR = 0.95
"""Aave LiquidationLogic: below it all debt may be repaid by a liquidator, above it half."""


@dataclass(slots=True)
class Ledger:
    """``amounts`` (n,) of the risk assets, all supplied as collateral; ``cash`` lies idle, ``debt`` is owed: both in
    the debt asset. ``loss`` and ``turnover`` are the vault's windows of 24 hours, fractions of NAV."""

    venue: SimulatedVenue
    symbols: tuple[str, ...]
    amounts: NDArray[np.float64]
    cash: float
    debt: float
    spent: NDArray[np.float64]
    epoch: int = 0
    last_rebalance: int = 0
    loss: Window = field(default_factory=Window)
    turnover: Window = field(default_factory=Window)
    levering_closed_until: int = 0
    on_paper: float = 1.0
    """Dollars of the compounded curve per dollar of the vault. ``spent`` counts in dollars of the curve."""
    _supply_rates: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self._supply_rates = supply_rates(self.venue, self.symbols)

    def values(self, prices: NDArray[np.float64]) -> NDArray[np.float64]:
        """USD per asset. An asset without a price is never held and counts 0."""
        return np.where(self.amounts > 0.0, self.amounts * prices, 0.0)

    def nav(self, prices: NDArray[np.float64], stable: float) -> float:
        return float(self.values(prices).sum()) + (self.cash - self.debt) * stable

    def health_factor(
        self, prices: NDArray[np.float64], stable: float, thresholds: NDArray[np.float64]
    ) -> float:
        """inf without debt."""
        return aave.health_factor(float(self.values(prices) @ thresholds), self.debt * stable)

    def pay(self, kind: str, usd: float) -> None:
        self.spent[COST_FIELDS.index(kind)] += self.on_paper * usd

    def costs(self) -> Costs:
        return Costs(*self.spent.tolist())

    # ------------------------------------------------------------------ time

    def accrue(self, seconds: int, prices: NDArray[np.float64], stable: float, others_owe: float) -> None:
        """Interest of one bar on debt and collateral. The rate is that of the debt reserve's curve, at what
        ``others_owe`` there (whole tokens) and our own debt."""
        years = seconds / SECONDS_PER_YEAR
        terms = self.venue.lending[0]
        rate = borrow_rate(terms.curve, (others_owe + self.debt) / terms.supplied)
        interest = self.debt * (rate * years)
        self.debt += interest
        self.pay("borrow_interest", interest * stable)
        earned = self.amounts * (self._supply_rates * years)
        self.amounts = self.amounts + earned
        self.pay("interest_earned", float(np.where(earned > 0.0, earned * prices, 0.0).sum()))

    # ---------------------------------------------------------------- trades

    def net(self, prices: NDArray[np.float64], stable: float) -> NDArray[np.float64]:
        """USD of each asset and, last, of cash less debt (n + 1,)."""
        return np.append(
            np.where(self.amounts > 0.0, self.amounts * prices, 0.0), (self.cash - self.debt) * stable
        )

    def counted_loss(self, changes: NDArray[np.float64]) -> float:
        """What the vault counts as lost by these changes of ``net`` (Frames.loss), USD."""
        lags = np.full(len(changes), self.venue.lag_bps / BPS)
        lags[-1] = self.venue.cash_lag_bps / BPS
        came = np.where(changes > 0.0, changes * (1.0 - lags), 0.0).sum()
        left = np.where(changes < 0.0, -changes * (1.0 + lags), 0.0).sum()
        return max(0.0, float(left - came))

    def spend(self, loss: float, turnover: float, now: int) -> None:
        """Of the vault's windows."""
        self.loss.spend(loss, now)
        self.turnover.spend(turnover, now)

    def apply(self, plan: RebalancePlan, now: int, stable: float) -> None:
        """Applies the plan's steps at their expected amounts."""
        for step in plan.steps:
            decimals = self.venue.terms(step.symbol).decimals
            if step.route is not None:
                sold, bought = step.route.symbols[0], step.route.symbols[-1]
                self._move(sold, -step.expected_in / 10 ** self.venue.terms(sold).decimals)
                self._move(bought, step.expected_out / 10 ** self.venue.terms(bought).decimals)
            elif step.kind is StepKind.BORROW:
                self.debt += step.amount / 10**decimals
                self.cash += step.amount / 10**decimals
            elif step.kind is StepKind.REPAY:
                paid = self.debt if step.amount == UINT256_MAX else step.amount / 10**decimals
                self.debt -= paid
                self.cash -= paid
        self.cash -= plan.cost.flash / stable
        self._settle()
        for kind, usd in (
            ("pool_fees", plan.cost.fees),
            ("slippage", plan.cost.slippage),
            ("flash_premium", plan.cost.flash),
        ):
            self.pay(kind, usd)
        self.epoch += 1
        self.last_rebalance = now

    def resize(self, nav: float) -> None:
        """Scales the vault back to its initial size. ``nav`` is its present value."""
        if self.venue.vault_size is VaultSize.COMPOUNDING or nav <= 0.0:
            return
        factor = self.venue.initial_nav_usd / nav
        self.amounts = self.amounts * factor
        self.cash *= factor
        self.debt *= factor
        self.on_paper /= factor
        self._settle()

    def charge_gas(self, usd: float, stable: float) -> None:
        """The operator's gas, taken from the vault's cash so that NAV is net of it."""
        self.cash -= usd / stable
        self.pay("gas", usd)
        self._settle()

    def liquidate(self, prices: NDArray[np.float64], stable: float, health_factor: float) -> float:
        """Aave's liquidation at these prices, with collateral taken in proportion. Returns the bonus paid, USD."""
        values = self.values(prices)
        factor = 1.0 if health_factor < CLOSE_FACTOR_HEALTH_FACTOR else 0.5
        bonus = np.array([self.venue.terms(symbol).liquidation_bonus_bps / BPS for symbol in self.symbols])
        repaid = self.debt * factor * stable
        with_bonus = float((values * (1.0 + bonus)).sum()) / float(values.sum())
        taken = min(1.0, repaid * with_bonus / float(values.sum()))
        lost = max(0.0, taken * float(values.sum()) - repaid)
        self.amounts = self.amounts * (1.0 - taken)
        self.debt -= repaid / stable
        self.pay("liquidation", lost)
        self._settle()
        return lost

    def _move(self, symbol: str, amount: float) -> None:
        if symbol == self.venue.lending[0].symbol:
            self.cash += amount
        else:
            place = self.symbols.index(symbol)
            self.amounts[place] = max(0.0, self.amounts[place] + amount)

    def _settle(self) -> None:
        if self.cash < 0.0:
            self.debt -= self.cash
            self.cash = 0.0


def supply_rates(venue: SimulatedVenue, symbols: tuple[str, ...]) -> NDArray[np.float64]:
    """Yearly supply rates (n,): borrowers' interest spread over suppliers, minus the reserve factor."""
    rates = []
    for symbol in symbols:
        terms = venue.terms(symbol)
        utilisation = terms.borrowed / terms.supplied
        paid = borrow_rate(terms.curve, utilisation) * utilisation
        rates.append(paid * (1.0 - terms.reserve_factor_bps / BPS))
    return np.array(rates)
