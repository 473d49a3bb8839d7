"""Where the vault is and where it should be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keeper.decision import measures
from keeper.decision.cost_curve import cost_curves
from keeper.decision.costs import AssetCost, expected_costs
from keeper.decision.gate_result import hours
from keeper.domain.accounts import accounts
from keeper.domain.decision import RiskPosition
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.placement import Placing, Unplaced
from keeper.domain.policy import Policy
from keeper.domain.portfolio import Portfolio
from keeper.domain.units import BPS
from keeper.oracle.vault_rules import emergency_aim, levering_closed_s
from keeper.risk.contributions import risk_shares, volatility
from keeper.sizing.redemptions import cash_share, queued_share
from keeper.sizing.tighten import Tightened


@dataclass(frozen=True, slots=True)
class VaultPosition:
    """The held portfolio against its target under a risk model, before any trade is considered.

    ``policy`` is the tightened one, ``tightened`` lists the settings that were looser than the vault's own. ``costs``
    (n,) are the expected costs of trading each asset. ``tracking_error`` is annualised. ``queued`` is the part of NAV
    in the line of redemptions, ``cash`` the part to hold as cash for the line and the idle buffer.
    ``placing`` is what a change of accounts alone would save, None with one account or where nobody asked.
    """

    observation: Observation
    model: RiskModel
    target: TargetPortfolio
    policy: Policy
    tightened: tuple[Tightened, ...]
    current: RiskPosition
    costs: tuple[AssetCost, ...]
    tracking_error: float
    queued: float
    cash: float
    placing: Placing | Unplaced | None = None

    @property
    def snapshot(self) -> MarketSnapshot:
        return self.observation.snapshot

    @property
    def held(self) -> Portfolio:
        return self.observation.held

    @property
    def liquidation_thresholds(self) -> tuple[float, ...]:
        """Fractions (n,), in the order of the model's assets: the mean of what the accounts hold of the asset, by their
        thresholds; of an asset that none holds the lowest of those that take it, 0 where none does."""
        return tuple(self._threshold(self.snapshot.index(symbol)) for symbol in self.model.symbols)

    def _threshold(self, index: int) -> float:
        rows = [
            (account.supplied[index], account.reserves[index].liquidation_threshold_bps / BPS)
            for account in accounts(self.snapshot)
        ]
        supplied = sum(amount for amount, _ in rows)
        if len(rows) == 1 or supplied == 0:
            return min((threshold for _, threshold in rows if threshold > 0.0), default=0.0)
        return math.fsum(amount / supplied * threshold for amount, threshold in rows)

    @property
    def alert_level(self) -> float:
        return alert_level(self.snapshot, self.policy)

    def sizes_usd(self, weights: Sequence[float]) -> tuple[float, ...]:
        """USD of each asset that a trade to ``weights`` buys or sells."""
        nav = max(0.0, self.held.nav_usd)
        return tuple(abs(to - at) * nav for at, to in zip(self.current.weights, weights, strict=True))

    def costs_bps(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Expected cost of each asset's trade to ``weights``, bps of the value traded."""
        sizes = self.sizes_usd(weights)
        return tuple(cost.bps(size) for cost, size in zip(self.costs, sizes, strict=True))

    @property
    def since_rebalance_s(self) -> int:
        """A vault that was never rebalanced counts from 1970, so it is always long enough."""
        return self.snapshot.block.timestamp - self.snapshot.vault.last_rebalance

    @property
    def last_rebalance_text(self) -> str:
        if self.snapshot.vault.last_rebalance == 0:
            return "the vault was never rebalanced"
        return f"last rebalance {hours(self.since_rebalance_s)} ago"


def alert_level(snapshot: MarketSnapshot, policy: Policy) -> float:
    """The health factor below which a trade is out of band. Until borrowing opens again after an emergency of the vault
    it is at least where the emergency's call was to end: that call may not reach the safe level, and the rest is an
    ordinary deleveraging. Every rebalance ends above it."""
    alert = policy.decision.alert_health_factor
    return max(alert, emergency_aim(snapshot)) if levering_closed_s(snapshot) else alert


def take_position(
    observation: Observation,
    model: RiskModel,
    target: TargetPortfolio,
    *,
    policy: Policy,
    tightened: tuple[Tightened, ...],
) -> VaultPosition:
    """Works out the held weights' risk shares, volatility, tracking error and expected trading costs."""
    snapshot, held = observation.snapshot, observation.held
    weights = held.weights
    if held.symbols != model.symbols:
        weights = tuple(held.weights[held.symbols.index(symbol)] for symbol in model.symbols)
    covariance = np.array(model.covariance)
    queued = queued_share(snapshot, held.nav_usd)
    return VaultPosition(
        observation=observation,
        model=model,
        target=target,
        policy=policy,
        tightened=tightened,
        current=RiskPosition(
            weights=weights,
            risk_shares=tuple(risk_shares(weights, covariance).tolist()),
            volatility=volatility(weights, covariance),
        ),
        costs=expected_costs(policy, model.symbols, observation.learned_costs, curves=cost_curves(snapshot)),
        tracking_error=measures.tracking_error(weights, target.weights, model.covariance),
        queued=queued,
        cash=cash_share(queued, policy.size.idle_buffer),
    )
