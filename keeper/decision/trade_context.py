"""What the gates look at: where the vault is, where it would go, what that costs and is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keeper.decision import measures
from keeper.decision.cost_curve import cost_curves
from keeper.decision.costs import AssetCost, expected_costs
from keeper.decision.gate_result import hours
from keeper.domain.decision import Goal, PoolCost, RiskPosition
from keeper.domain.errors import InvalidSetting
from keeper.domain.executed_swaps import LearnedCost
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.pause_state import DeleverageRequest, PauseState
from keeper.domain.policy import Policy, UrgencyLimits
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.tx import InFlight
from keeper.domain.units import SECONDS_PER_YEAR, WAD
from keeper.domain.urgency import Urgency
from keeper.risk.contributions import risk_shares, volatility
from keeper.sizing.tighten import Tightened

LEVERAGE_NOISE = 1e-9


@dataclass(frozen=True, slots=True)
class Position:
    """Where the vault is against where it should be, before any thought of trading.

    ``costs`` (n,) say what a trade of each asset is expected to cost; ``tracking_error`` is annualised, of what is held
    against the target.
    """

    snapshot: MarketSnapshot
    model: RiskModel
    target: TargetPortfolio
    policy: Policy
    held: Portfolio
    current: RiskPosition
    costs: tuple[AssetCost, ...]
    tracking_error: float
    deleverage_request: DeleverageRequest | None = None

    def sizes_usd(self, weights: Sequence[float]) -> tuple[float, ...]:
        """What of each asset changes hands on the way there."""
        nav = max(0.0, self.held.nav_usd)
        return tuple(abs(to - at) * nav for at, to in zip(self.current.weights, weights, strict=True))

    def costs_bps(self, weights: Sequence[float]) -> tuple[float, ...]:
        """Of each asset for the size of its trade on the way there, bps of that."""
        sizes = self.sizes_usd(weights)
        return tuple(cost.bps(size) for cost, size in zip(self.costs, sizes, strict=True))

    @property
    def since_rebalance_s(self) -> int:
        """Since the epoch of Unix time for a vault that was never rebalanced: always long enough."""
        return self.snapshot.block.timestamp - self.snapshot.vault.last_rebalance

    @property
    def last_rebalance_text(self) -> str:
        if self.snapshot.vault.last_rebalance == 0:
            return "the vault was never rebalanced"
        return f"last rebalance {hours(self.since_rebalance_s)} ago"


@dataclass(frozen=True, slots=True)
class TradeContext:
    """A trade under consideration: from ``position`` to ``goal`` at ``urgency``. Money in USD, turnover in
    NAVs.

    ``aim`` is where the trade ends when no limit on its size cuts it short; ``tracking_error`` is the goal's.
    ``trade_cost_usd`` is what the vault pays, ``gas_cost_usd`` what the keeper pays.
    """

    position: Position
    goal: Goal
    aim: tuple[float, ...]
    urgency: Urgency
    limits: UrgencyLimits
    in_flight: InFlight | None
    tightened: tuple[Tightened, ...]
    turnover: float
    trade_cost_usd: float
    gas_cost_usd: float
    gas_cost_wei: int
    tracking_error: float
    benefit_usd: float
    pause_state: PauseState | None = None
    read_at: float | None = None

    @property
    def cost_usd(self) -> float:
        return self.trade_cost_usd + self.gas_cost_usd

    @property
    def pool_costs(self) -> tuple[PoolCost, ...]:
        """Of the assets whose pools are known."""
        position = self.position
        sizes = position.sizes_usd(self.goal.weights)
        return tuple(
            PoolCost(symbol, size, cost.linear_bps, cost.impact_bps(size))
            for symbol, cost, size in zip(position.model.symbols, position.costs, sizes, strict=True)
            if cost.curve is not None
        )

    @property
    def raises_risk(self) -> bool:
        return self.goal.leverage > self.position.held.leverage * (1.0 + LEVERAGE_NOISE) + LEVERAGE_NOISE


def take_position(
    snapshot: MarketSnapshot,
    model: RiskModel,
    target: TargetPortfolio,
    policy: Policy,
    deleverage_request: DeleverageRequest | None = None,
    learned: Sequence[LearnedCost] = (),
) -> Position:
    """The vault's weights, shares of risk and volatility under the model."""
    held = portfolio(snapshot)
    weights = held.weights
    if held.symbols != model.symbols:
        weights = tuple(held.weights[held.symbols.index(symbol)] for symbol in model.symbols)
    covariance = np.array(model.covariance)
    current = RiskPosition(
        weights=weights,
        risk_shares=tuple(risk_shares(weights, covariance).tolist()),
        volatility=volatility(weights, covariance),
    )
    return Position(
        snapshot,
        model,
        target,
        policy,
        held,
        current,
        costs=expected_costs(policy, model.symbols, learned, cost_curves(snapshot)),
        tracking_error=measures.tracking_error(weights, target.weights, model.covariance),
        deleverage_request=deleverage_request,
    )


def consider(
    position: Position,
    goal: Goal,
    urgency: Urgency,
    in_flight: InFlight | None,
    tightened: tuple[Tightened, ...],
    aim: tuple[float, ...] | None = None,
    pause_state: PauseState | None = None,
    read_at: float | None = None,
) -> TradeContext:
    """The situation of trading to ``goal``, on the way to ``aim`` (without one: the goal itself). Raises InvalidSetting
    when gas cannot be valued."""
    gas, now = gas_cost_wei(position), position.current.weights
    left = measures.tracking_error(goal.weights, position.target.weights, position.model.covariance)
    return TradeContext(
        position=position,
        goal=goal,
        aim=goal.weights if aim is None else aim,
        urgency=urgency,
        limits=position.policy.decision.at(urgency),
        in_flight=in_flight,
        tightened=tightened,
        turnover=measures.turnover(now, goal.weights),
        trade_cost_usd=measures.trade_cost(
            now,
            goal.weights,
            position.costs_bps(goal.weights),
            position.snapshot.flash_premium_bps,
            position.held.leverage,
            position.held.nav_usd,
        ),
        gas_cost_usd=gas_cost_usd(position, gas),
        gas_cost_wei=gas,
        tracking_error=left,
        benefit_usd=benefit_usd(position, left),
        pause_state=pause_state,
        read_at=read_at,
    )


def benefit_usd(position: Position, left: float) -> float:
    """What it is worth over the policy's horizon H that the tracking error falls to ``left``: the fall of
    ``g H NAV d^2 / 2``."""
    decision = position.policy.decision
    return measures.benefit(
        position.tracking_error,
        left,
        decision.risk_aversion,
        decision.horizon_s / SECONDS_PER_YEAR,
        position.held.nav_usd,
    )


def gas_cost_wei(position: Position) -> int:
    """A typical rebalance's gas at the block's base fee, and on a rollup what publishing it costs beside that."""
    snapshot = position.snapshot
    return position.policy.decision.rebalance_gas * snapshot.block.base_fee_wei + snapshot.l1_fee_wei


def gas_cost_usd(position: Position, wei: int) -> float:
    symbol = position.policy.plan.gas_usd_price_symbol
    for token, feed in zip(position.snapshot.tokens, position.snapshot.feeds, strict=True):
        if token.symbol == symbol:
            return wei / WAD * feed.price_usd
    raise InvalidSetting(
        f"plan.gas_usd_price_symbol is {symbol!r}, which is not one of the vault's tokens",
        remedy=f"Set it to one of: {', '.join(token.symbol for token in position.snapshot.tokens)}.",
    )
