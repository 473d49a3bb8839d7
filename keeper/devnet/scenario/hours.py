"""What one hour of a scenario leaves behind, and what a whole scenario comes to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from keeper.domain.record import CycleOutcome
from keeper.domain.units import HOURS_PER_YEAR

LEVER_UP = 0.005
"""A transaction that raises leverage by more than that has raised it on purpose."""


@dataclass(frozen=True, slots=True)
class HourRecord:
    """``at`` is the Unix second of the block that the keeper read. Money is USD, prices are the market's own and the
    feeds' last answers by symbol.

    ``nav_usd``, ``leverage`` and ``weights`` are as the keeper counted them before it acted, None where its cycle
    failed before. ``health_factor`` is the market's own count of the vault's account before the cycle, ``health_after``
    after it; inf without debt. ``lowest_health`` is the lowest of all blocks of the hour. ``wrong_feeds`` names the
    feeds that are further from the market than they may be, ``missing`` what the look missed. ``liquidated`` names
    whose collateral was taken. ``seconds``: wall time of the hour.
    """

    at: int
    prices: Mapping[str, float]
    feed_prices: Mapping[str, float]
    base_fee_gwei: float
    nav_usd: float | None
    leverage: float | None
    weights: Mapping[str, float]
    target_leverage: float | None
    target_volatility: float | None
    binding: str
    survivable_fall: float | None
    health_factor: float
    health_after: float
    lowest_health: float
    action: str
    urgency: str
    outcome: CycleOutcome
    reason: str
    error: str
    exit_code: int
    leverage_after: float | None
    gas_usd: float
    fees_usd: float
    impact_usd: float
    flash_usd: float
    answers: int
    swaps: int
    liquidated: tuple[str, ...]
    wrong_feeds: tuple[str, ...]
    missing: tuple[str, ...]
    pauses: tuple[str, ...]
    seconds: float

    @property
    def sent(self) -> bool:
        return self.outcome is CycleOutcome.SENT

    @property
    def levered_up(self) -> bool:
        """Whether its transaction raised leverage."""
        if not self.sent or self.leverage is None or self.leverage_after is None:
            return False
        return self.leverage_after > self.leverage + LEVER_UP

    @property
    def on_bad_data(self) -> bool:
        return bool(self.wrong_feeds or self.missing)


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """``step_s`` is the time between two cycles. ``act_health_factor`` is the emergency level in force,
    ``target_policy`` the volatility that the strategy asks for. ``vault`` is the name of the vault's debtor.
    ``refused_liquidations`` counts liquidations that the market did not let happen."""

    name: str
    title: str
    begins: int
    ends: int
    step_s: int
    symbols: tuple[str, ...]
    target_policy: float
    act_health_factor: float
    hours: tuple[HourRecord, ...]
    vault: str
    refused_liquidations: int
    first_nav_usd: float
    last_nav_usd: float
    left_out: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def days(self) -> float:
        return (self.ends - self.begins) / 86_400

    @property
    def wall_s(self) -> float:
        return math.fsum(hour.seconds for hour in self.hours)

    @property
    def sent(self) -> tuple[HourRecord, ...]:
        return tuple(hour for hour in self.hours if hour.sent)

    @property
    def lowest_health_factor(self) -> float:
        """At any block."""
        return min(hour.lowest_health for hour in self.hours)

    @property
    def liquidations(self) -> int:
        """Of the vault."""
        return sum(hour.liquidated.count(self.vault) for hour in self.hours)

    @property
    def liquidated_others(self) -> tuple[str, ...]:
        return tuple(name for hour in self.hours for name in hour.liquidated if name != self.vault)

    @property
    def smallest_survivable_fall(self) -> float | None:
        known = [hour.survivable_fall for hour in self.hours if hour.survivable_fall is not None]
        return min(known) if known else None

    @property
    def realised_volatility(self) -> float:
        """Annualised, of NAV from cycle to cycle after the first trade; NaN below three values."""
        navs = [hour.nav_usd for hour in self._invested if hour.nav_usd is not None and hour.nav_usd > 0.0]
        if len(navs) < 3:
            return math.nan
        moves = np.diff(np.log(np.array(navs)))
        return float(np.sqrt(np.mean(np.square(moves)) * HOURS_PER_YEAR * 3_600 / self.step_s))

    @property
    def mean_target_volatility(self) -> float:
        """What the target portfolio was forecast to have, on average after the first trade."""
        known = [hour.target_volatility for hour in self._invested if hour.target_volatility is not None]
        return math.fsum(known) / len(known) if known else math.nan

    @property
    def bindings(self) -> Mapping[str, int]:
        """How many cycles each bound set the target's leverage."""
        counts: dict[str, int] = {}
        for hour in self._invested:
            if hour.binding:
                counts[hour.binding] = counts.get(hour.binding, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))

    @property
    def _invested(self) -> Sequence[HourRecord]:
        first = next((place for place, hour in enumerate(self.hours) if hour.sent), len(self.hours))
        return self.hours[first + 1 :]
