"""What ``decide`` concludes, with the number and limit of every gate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.placement import Placement
from keeper.domain.urgency import Urgency


class Action(StrEnum):
    """HOLD: no trade. REBALANCE: trade to the goal. ITERATE: trade part of the way, later cycles do the rest.
    RIPCORD: deleverage now."""

    HOLD = "HOLD"
    REBALANCE = "REBALANCE"
    ITERATE = "ITERATE"
    RIPCORD = "RIPCORD"


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition. ``passed`` is False for a trigger that did not fire and for a limit that was exceeded.

    ``kind`` is "trigger" (a reason to trade), "limit" (must hold for any trade) or "levering" (must hold for a trade
    that buys a risk asset or raises leverage). ``urgency`` is the urgency at which the gate was judged. ``value`` and
    ``limit`` are in the unit that ``detail`` names. ``exit_code`` is the command's exit code when this gate stops a
    trade that a trigger asked for; 0 is an ordinary HOLD.
    """

    name: str
    kind: str
    value: float
    limit: float
    passed: bool
    urgency: Urgency
    detail: str
    exit_code: int


@dataclass(frozen=True, slots=True)
class Goal:
    """The weights to which this cycle trades, after recentring, no-trade region and trade-size limit, and their
    leverage."""

    symbols: tuple[str, ...]
    weights: tuple[float, ...]
    leverage: float


@dataclass(frozen=True, slots=True)
class RiskPosition:
    """Risk at given weights. ``risk_shares`` sum to 1, or are all 0 where there is no risk. ``volatility`` is
    annualised."""

    weights: tuple[float, ...]
    risk_shares: tuple[float, ...]
    volatility: float


@dataclass(frozen=True, slots=True)
class PoolCost:
    """Expected cost of trading ``size_usd`` of an asset, from the depth of its pools and the keeper's own past trades.

    Both costs are bps of the size: ``linear_bps`` is the lowest pool fee, which any size pays; ``impact_bps`` is the
    price impact of this size."""

    symbol: str
    size_usd: float
    linear_bps: float
    impact_bps: float


@dataclass(frozen=True, slots=True)
class Decision:
    """``reason`` is one sentence. ``goal`` is None for HOLD. ``benefit_usd`` is the value of moving to the goal.

    ``remaining`` is the sum of abs(target - goal) weights that is left for later cycles. ``exit_code`` is 0 unless a
    gate with its own exit code stopped a trade, or the data was too bad to decide. ``pool_costs`` has the assets whose
    part of ``expected_cost_usd`` comes from the depth of their pools. ``sells_only``: a levering gate held back the
    buying half, so the goal only sells, and the proceeds repay debt.
    ``placement`` is where the goal's collateral and debt stand, None for a vault with one account, and where no account
    is chosen: then the call changes the first account, or the one that a deleverage lowers.
    """

    action: Action
    urgency: Urgency
    reason: str
    gates: tuple[Gate, ...]
    current: RiskPosition
    goal: Goal | None
    benefit_usd: float
    expected_cost_usd: float
    remaining: float
    exit_code: int
    pool_costs: tuple[PoolCost, ...]
    sells_only: bool = False
    placement: Placement | None = None
