"""What the gates look at: where the vault is, where it would go, what that costs and is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from keeper.decision.finding import hours
from keeper.domain.decision import Goal, RiskPosition
from keeper.domain.errors import InvalidSetting
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.policy import Policy, UrgencyLimits
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.tx import InFlight
from keeper.domain.units import BPS, SECONDS_PER_YEAR, WAD
from keeper.domain.urgency import Urgency
from keeper.risk.contributions import risk_shares, volatility
from keeper.sizing.tighten import Tightened

LEVERAGE_NOISE = 1e-9


@dataclass(frozen=True, slots=True)
class Position:
    """Where the vault is against where it should be, before any thought of trading."""

    snapshot: MarketSnapshot
    model: RiskModel
    target: TargetPortfolio
    policy: Policy
    held: Portfolio
    current: RiskPosition

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
class Situation:
    """A trade under consideration: from ``position`` to ``goal`` at ``urgency``. Money in USD, turnover in
    NAVs.

    ``trade_cost_usd`` is what the vault pays, ``gas_cost_usd`` what the keeper pays.
    """

    position: Position
    goal: Goal
    urgency: Urgency
    limits: UrgencyLimits
    in_flight: InFlight | None
    tightened: tuple[Tightened, ...]
    turnover: float
    trade_cost_usd: float
    gas_cost_usd: float
    gas_cost_wei: int
    benefit_usd: float

    @property
    def cost_usd(self) -> float:
        return self.trade_cost_usd + self.gas_cost_usd

    @property
    def raises_risk(self) -> bool:
        return self.goal.leverage > self.position.held.leverage * (1.0 + LEVERAGE_NOISE) + LEVERAGE_NOISE


def take_position(
    snapshot: MarketSnapshot, model: RiskModel, target: TargetPortfolio, policy: Policy
) -> Position:
    """The vault's weights, shares of risk and volatility under the model."""
    held = portfolio(snapshot)
    weights = tuple(held.weights[held.symbols.index(symbol)] for symbol in model.symbols)
    current = RiskPosition(
        weights=weights,
        risk_shares=tuple(risk_shares(weights, model.covariance).tolist()),
        volatility=volatility(weights, model.covariance),
    )
    return Position(snapshot, model, target, policy, held, current)


def consider(
    position: Position,
    goal: Goal,
    urgency: Urgency,
    in_flight: InFlight | None,
    tightened: tuple[Tightened, ...],
) -> Situation:
    """The situation of trading to ``goal``. Raises InvalidSetting when gas cannot be valued."""
    gas = gas_cost_wei(position)
    turnover = math.fsum(abs(g - w) for g, w in zip(goal.weights, position.current.weights, strict=True))
    return Situation(
        position=position,
        goal=goal,
        urgency=urgency,
        limits=position.policy.decision.at(urgency),
        in_flight=in_flight,
        tightened=tightened,
        turnover=turnover,
        trade_cost_usd=trade_cost_usd(position, goal, turnover),
        gas_cost_usd=gas_cost_usd(position, gas),
        gas_cost_wei=gas,
        benefit_usd=benefit_usd(position, goal),
    )


def benefit_usd(position: Position, goal: Goal) -> float:
    """Worth of the goal over the policy's horizon H: the fall of ``g H NAV (w - w*)' S (w - w*) / 2``."""
    decision = position.policy.decision
    horizon = decision.horizon_s / SECONDS_PER_YEAR
    scale = 0.5 * decision.risk_aversion * horizon * position.held.nav_usd
    aim = np.array(position.target.weights)
    before = volatility(np.array(position.current.weights) - aim, position.model.covariance)
    after = volatility(np.array(goal.weights) - aim, position.model.covariance)
    return scale * (before**2 - after**2)


def trade_cost_usd(position: Position, goal: Goal, turnover: float) -> float:
    """Assumed fees and slippage of the turnover, and the flash loan's premium on the debt that changes."""
    change = abs(goal.leverage - position.held.leverage)
    bps = position.policy.decision.trade_cost_bps * turnover + position.snapshot.flash_premium_bps * change
    return bps / BPS * position.held.nav_usd


def gas_cost_wei(position: Position) -> int:
    return position.policy.decision.rebalance_gas * position.snapshot.block.base_fee_wei


def gas_cost_usd(position: Position, wei: int) -> float:
    symbol = position.policy.plan.gas_usd_price_symbol
    for token, feed in zip(position.snapshot.tokens, position.snapshot.feeds, strict=True):
        if token.symbol == symbol:
            return wei / WAD * feed.price_usd
    raise InvalidSetting(
        f"plan.gas_usd_price_symbol is {symbol!r}, which is not one of the vault's tokens",
        remedy=f"Set it to one of: {', '.join(token.symbol for token in position.snapshot.tokens)}.",
    )
