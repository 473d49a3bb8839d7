"""A trade under consideration: its urgency, cost and benefit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from keeper.decision import measures
from keeper.decision.horizon import adds_risk, benefit_years, rises
from keeper.decision.move import Move
from keeper.decision.placing import placing
from keeper.decision.position import VaultPosition
from keeper.domain.decision import Goal, PoolCost
from keeper.domain.market import LendingAccount
from keeper.domain.native_coin import estimated_usd, usd_of_wei
from keeper.domain.placement import Placing, Unplaced
from keeper.domain.policy import UrgencyLimits
from keeper.domain.units import BPS
from keeper.domain.urgency import Urgency
from keeper.lending.flash_lender import flash_lender
from keeper.oracle.vault_rules import lag_bps


@dataclass(frozen=True, slots=True)
class TradeContext:
    """The trade from ``position`` along ``move`` at ``urgency``. Money in USD, turnover in NAVs.

    ``tracking_error`` is the goal's, annualised. The vault pays ``trade_cost_usd``, the keeper pays the gas. ``moves``:
    nothing is traded, and collateral and debt change account. ``placing`` is of the goal, None with one account and in
    an emergency, whose call lowers one account.
    """

    position: VaultPosition
    move: Move
    urgency: Urgency
    limits: UrgencyLimits
    turnover: float
    trade_cost_usd: float
    gas_cost_wei: int
    tracking_error: float
    benefit_usd: float
    moves: Placing | None = None
    placing: Placing | Unplaced | None = None

    @property
    def goal(self) -> Goal:
        return self.move.goal

    @property
    def gas_cost_usd(self) -> float:
        """Infinite where nobody knows what the gas counts, but not for a trade that lowers risk: what is unknown must
        not block the way down. The limits on gas in wei bound what that costs."""
        count = usd_of_wei if self.buys_risk else estimated_usd
        return count(
            self.gas_cost_wei, self.position.snapshot, self.position.policy.plan.gas_usd_price_symbol
        )

    @property
    def cost_usd(self) -> float:
        return self.trade_cost_usd + self.gas_cost_usd

    @property
    def pool_costs(self) -> tuple[PoolCost, ...]:
        """Costs of the assets whose pools' depth is known."""
        position = self.position
        sizes = position.sizes_usd(self.goal.weights)
        return tuple(
            PoolCost(symbol, size, cost.linear_bps, impact_bps=cost.impact_bps(size))
            for symbol, cost, size in zip(position.model.symbols, position.costs, sizes, strict=True)
            if cost.curve is not None
        )

    @property
    def raises_leverage(self) -> bool:
        return rises(self.position.held.leverage, self.goal.leverage)

    @property
    def lowers_leverage(self) -> bool:
        return rises(self.goal.leverage, self.position.held.leverage)

    @property
    def bought(self) -> tuple[str, ...]:
        """The risk assets of which the trade buys more."""
        pairs = zip(self.goal.symbols, self.position.current.weights, self.goal.weights, strict=True)
        return tuple(symbol for symbol, now, goal in pairs if rises(now, goal))

    @property
    def sold(self) -> tuple[str, ...]:
        """The risk assets of which the trade sells some."""
        pairs = zip(self.goal.symbols, self.position.current.weights, self.goal.weights, strict=True)
        return tuple(symbol for symbol, now, goal in pairs if rises(goal, now))

    @property
    def counted_loss(self) -> float:
        """What the vault will count as lost, as a part of NAV: the expected cost, and the lag that it assumes of every
        feed of what moves."""
        position, snapshot = self.position, self.position.snapshot
        if position.held.nav_usd <= 0.0:
            return 0.0
        changes = [
            (symbol, goal - now)
            for symbol, now, goal in zip(
                self.goal.symbols, position.current.weights, self.goal.weights, strict=True
            )
        ]
        lags = sum(lag_bps(snapshot, symbol) * abs(change) for symbol, change in changes)
        cash = lag_bps(snapshot, snapshot.debt_token.symbol) * abs(sum(change for _, change in changes))
        return self.trade_cost_usd / position.held.nav_usd + (lags + cash) / BPS

    @property
    def relieved(self) -> tuple[LendingAccount, ...]:
        """The accounts beside the first whose debt a change of accounts lowers."""
        if self.moves is None:
            return ()
        snapshot, cash = self.position.snapshot, self.position.snapshot.debt_token.symbol
        after = {account.place: account.debt_usd for account in self.moves.placement.accounts}
        return tuple(
            account
            for account in snapshot.others
            if after[account.venue.place] < snapshot.value_usd(cash, account.owed[0])
        )

    @property
    def buys_risk(self) -> bool:
        return self.raises_leverage or bool(self.bought)


def consider_moves(position: VaultPosition) -> TradeContext | None:
    """The vault at the weights that it has, where a change of accounts pays or must be. Its benefit is the interest
    that it saves."""
    choice, weights = position.placing, position.current.weights
    if not isinstance(choice, Placing):
        return None
    stays = Move(Goal(position.model.symbols, weights, math.fsum(weights)), aim=weights, cut_short_by="")
    trade = _considered(position, stays, Urgency.OUT_OF_BAND if choice.must_move else Urgency.ROUTINE)
    premium_usd = max(0.0, choice.cost_usd - trade.gas_cost_usd)
    return replace(
        trade, moves=choice, placing=choice, benefit_usd=choice.saved_usd, trade_cost_usd=premium_usd
    )


def consider(position: VaultPosition, move: Move, urgency: Urgency) -> TradeContext:
    """Works out what the move costs and is worth, and over several accounts where it ends."""
    trade = _considered(position, move, urgency)
    if urgency is Urgency.EMERGENCY:
        return trade
    where = placing(position, move.goal.weights, trade.trade_cost_usd, sells_only=move.sells_only)
    return replace(trade, placing=where)


def _considered(position: VaultPosition, move: Move, urgency: Urgency) -> TradeContext:
    goal = move.goal.weights
    tracking_error = measures.tracking_error(goal, position.target.weights, position.model.covariance)
    return TradeContext(
        position=position,
        move=move,
        urgency=urgency,
        limits=position.policy.decision.at(urgency),
        turnover=measures.turnover(position.current.weights, goal),
        trade_cost_usd=measures.trade_cost(
            position.current.weights,
            goal,
            position.costs_bps(goal),
            flash_premium_bps=flash_lender(position.snapshot).premium_bps,
            leverage=position.held.leverage,
            nav=position.held.nav_usd,
        ),
        gas_cost_wei=gas_cost_wei(position),
        tracking_error=tracking_error,
        benefit_usd=benefit_usd(position, goal, tracking_error),
    )


def benefit_usd(position: VaultPosition, weights: tuple[float, ...], tracking_error: float) -> float:
    """Value until the next trade, a time H, of a trade to ``weights``, at which the tracking error is
    ``tracking_error``: the fall of ``g H NAV d^2 / 2``."""
    return measures.benefit(
        position.tracking_error,
        tracking_error,
        position.policy.decision.risk_aversion,
        horizon_years=benefit_years(position, adds_risk=adds_risk(position, weights)),
        nav=position.held.nav_usd,
    )


def gas_cost_wei(position: VaultPosition) -> int:
    """A typical rebalance's gas at the block's base fee, plus the L1 fee on a rollup."""
    snapshot = position.snapshot
    return position.policy.decision.rebalance_gas * snapshot.block.base_fee_wei + snapshot.l1_fee_wei
