"""What ``decide`` concludes, with the number and limit of every gate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.urgency import Urgency


class Action(StrEnum):
    """HOLD: nothing to do or not allowed. REBALANCE: go to the goal. ITERATE: a first part of the way.
    RIPCORD: deleverage now."""

    HOLD = "HOLD"
    REBALANCE = "REBALANCE"
    ITERATE = "ITERATE"
    RIPCORD = "RIPCORD"


@dataclass(frozen=True, slots=True)
class Gate:
    """One condition. A trigger that did not fire and a limit that was exceeded both have ``passed`` False.

    ``urgency`` is the urgency the gate was judged at; ``value`` and ``limit`` are in the unit that ``detail``
    names. ``kind`` is "trigger" (a reason to trade), "limit" (must hold for any trade) or "levering" (must
    hold to raise risk). ``exit_code`` is what a command ends with when this gate held back a trade that a
    trigger asked for (0: ordinary HOLD).
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
    """The weights this cycle trades to (after recentring, no-trade region and trade-size limit), and their
    leverage."""

    symbols: tuple[str, ...]
    weights: tuple[float, ...]
    leverage: float


@dataclass(frozen=True, slots=True)
class RiskPosition:
    """How the risk is spread at given weights: shares sum to 1 (all 0 without risk), volatility
    annualised."""

    weights: tuple[float, ...]
    risk_shares: tuple[float, ...]
    volatility: float


@dataclass(frozen=True, slots=True)
class PoolCost:
    """What the pools' depth says of trading an asset for ``size_usd``, drawn towards experience as it was counted, bps
    of that: ``linear_bps`` at any size (the least fee), ``impact_bps`` for the size."""

    symbol: str
    size_usd: float
    linear_bps: float
    impact_bps: float


@dataclass(frozen=True, slots=True)
class Decision:
    """``reason`` is one sentence. ``goal`` is None for HOLD. ``benefit_usd`` is what moving to the goal is
    worth.

    ``exit_code`` is 0 unless a gate with a code of its own held back a wanted trade, or the data was too bad
    to tell. ``pool_costs`` came later: of the assets whose cost in ``expected_cost_usd`` is from the pools' depth, for
    the trade that was considered.
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
    """Sum of |target - goal| weights left for later cycles."""
    exit_code: int
    pool_costs: tuple[PoolCost, ...] = ()
