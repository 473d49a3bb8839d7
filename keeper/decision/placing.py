"""Where collateral and debt stand, and whether they change account for what that saves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from keeper.decision.gate_result import GateResult
from keeper.decision.horizon import rises
from keeper.decision.position import VaultPosition
from keeper.domain.errors import SolverFailed
from keeper.domain.native_coin import estimated_usd
from keeper.domain.placement import Placement, Placing, Unplaced
from keeper.domain.units import BPS, SECONDS_PER_YEAR
from keeper.domain.urgency import Urgency
from keeper.lending.flash_lender import flash_lender
from keeper.sizing.account_bounds import account_floors
from keeper.sizing.account_floors import Floors
from keeper.sizing.account_terms import Terms, terms_of
from keeper.sizing.placing import STAYING, as_held, placed

IDLE_MOVE = 1e-4
"""A year's cost of a USD that changes account, at least: rounding of rates moves nothing."""
TRADE_MARGIN = 1.01
"""A trade aims this much above each floor where the accounts allow it: what it costs may all fall on one account."""
NO_PLACEMENT = "the accounts cannot hold it within their floors, caps and liquidity"


def with_placing(position: VaultPosition) -> VaultPosition:
    """With what a change of accounts alone would save. The position itself where the vault has one account."""
    if not position.snapshot.others:
        return position
    return replace(position, placing=change_of_accounts(position))


def change_of_accounts(position: VaultPosition) -> Placing | Unplaced:
    """Of the vault at the weights that it has. What it moves is a flash loan's sum, and the premium becomes debt."""
    division = _Division.of(position)
    if division is None:
        return Unplaced("the vault has no value")
    values, debt_usd = division.values(position.current.weights), position.held.debt_usd
    premium_usd = debt_usd * division.premium_bps / BPS
    tries = [(TRADE_MARGIN, premium_usd), (1.0, premium_usd)]
    try:
        unfit_usd = division.unfit_usd(values, debt_usd)
        placements = division.first(values, debt_usd, tries, no_worse=False)
    except SolverFailed as failed:
        return Unplaced(failed.message)
    if placements is None:
        return Unplaced(NO_PLACEMENT)
    must_move = unfit_usd > position.policy.decision.min_trade_usd
    held = as_held(division.terms)
    # What must move anyway saves nothing by it.
    present = placements.staying if must_move else held
    return division.chosen(placements, present, unfit_usd=unfit_usd, must_move=must_move)


def placing(
    position: VaultPosition, weights: Sequence[float], cost_usd: float = 0.0, *, sells_only: bool = False
) -> Placing | Unplaced | None:
    """Of the vault at these weights, after a trade that costs ``cost_usd``. What it costs becomes debt, so each account
    keeps its floors with it, where they can hold it. None for a vault with one account.

    ``sells_only``: no account gets more collateral or debt. A trade that does not raise leverage may leave an account
    below its floors that is below them now, but not lower."""
    if not position.snapshot.others:
        return None
    division = _Division.of(position)
    if division is None:
        return Unplaced("the vault has no value")
    values, most_usd = division.values(weights), math.inf
    if sells_only:
        division = replace(division, terms=division.terms.without_more())
        most_usd = position.held.debt_usd
    debt_usd = min(most_usd, math.fsum(values) - position.held.nav_usd * (1.0 - position.cash))
    cost_usd = min(cost_usd, most_usd - debt_usd)
    tries = [(TRADE_MARGIN, cost_usd), (1.0, cost_usd), (1.0, 0.0)]
    levers = rises(position.held.leverage, math.fsum(weights))
    try:
        placements = division.first(values, debt_usd, tries, no_worse=not levers)
    except SolverFailed as failed:
        return Unplaced(failed.message)
    if placements is None:
        return Unplaced(NO_PLACEMENT)
    return division.chosen(placements, placements.staying, unfit_usd=0.0, must_move=False)


@dataclass(frozen=True, slots=True)
class _Placements:
    """``staying`` moves what must, ``best`` what saves interest."""

    staying: Placement
    best: Placement


@dataclass(frozen=True, slots=True)
class _Division:
    """The accounts' terms and floors. ``premium_bps`` is the flash loan's, ``years`` how long a placement stands."""

    position: VaultPosition
    terms: Terms
    floors: Floors
    premium_bps: int
    years: float

    @classmethod
    def of(cls, position: VaultPosition) -> _Division | None:
        snapshot, policy = position.snapshot, position.policy
        if position.held.nav_usd <= 0.0:
            return None
        horizon_s = policy.decision.carry_horizon_s
        return cls(
            position=position,
            terms=terms_of(snapshot, position.model.symbols, policy.size, horizon_s=horizon_s),
            floors=account_floors(position.model, snapshot, policy.size),
            premium_bps=flash_lender(snapshot).premium_bps,
            years=horizon_s / SECONDS_PER_YEAR,
        )

    def values(self, weights: Sequence[float]) -> list[float]:
        return [weight * self.position.held.nav_usd for weight in weights]

    def first(
        self,
        values: Sequence[float],
        debt_usd: float,
        tries: Sequence[tuple[float, float]],
        *,
        no_worse: bool,
    ) -> _Placements | None:
        """The first of these floors, by their factor, and costs that the accounts can keep."""
        floors = [(self.floors.times(factor), cost_usd) for factor, cost_usd in tries]
        if no_worse:
            floors += [(replace(self.floors, no_worse=True), tries[-1][1])]
        saving = self.position.policy.decision.min_saving
        per_usd = max(IDLE_MOVE, saving * self.premium_bps / BPS / self.years)
        for above, cost_usd in floors:
            owed = max(0.0, debt_usd + cost_usd)
            staying = placed(self.terms, values, owed, floors=above, move_cost=STAYING)
            best = placed(self.terms, values, owed, floors=above, move_cost=per_usd) if staying else None
            if staying is not None and best is not None:
                return _Placements(staying, best)
        return None

    def unfit_usd(self, values: Sequence[float], debt_usd: float) -> float:
        """As with the health factor of the whole vault, an account may fall below its floors by the part
        ``health_band`` before it is a reason to act."""
        band = 1.0 - self.position.policy.decision.health_band
        banded = placed(self.terms, values, debt_usd, floors=self.floors.times(band), move_cost=STAYING)
        return banded.moved_usd if banded is not None else 0.0

    def chosen(
        self, placements: _Placements, present: Placement, *, unfit_usd: float, must_move: bool
    ) -> Placing:
        """The cheapest where it saves many times what it costs more than ``present``."""
        saved = (present.carry_usd - placements.best.carry_usd) * self.years
        cost = _gas_usd(self.position) + placements.best.moved_usd * self.premium_bps / BPS
        pays = saved > self.position.policy.decision.min_saving * cost
        return Placing(
            placement=placements.best if pays else placements.staying,
            moves=pays,
            saved_usd=saved,
            cost_usd=cost,
            unfit_usd=unfit_usd,
            must_move=must_move,
        )


def _gas_usd(position: VaultPosition) -> float:
    """Of a typical rebalance."""
    snapshot, policy = position.snapshot, position.policy
    wei = policy.decision.rebalance_gas * snapshot.block.base_fee_wei + snapshot.l1_fee_wei
    return estimated_usd(wei, snapshot, policy.plan.gas_usd_price_symbol)


def cheaper_accounts(position: VaultPosition) -> GateResult:
    """The trigger of the same name."""
    choice, times = position.placing, position.policy.decision.min_saving
    if not isinstance(choice, Placing):
        why = choice.why if choice is not None else "there is one account"
        return GateResult(0.0, 0.0, passed=False, detail=f"no change of accounts: {why}")
    limit = times * choice.cost_usd
    days = position.policy.decision.carry_horizon_s / 86_400
    if choice.must_move:
        detail = f"{choice.unfit_usd:,.0f} USD stand in an account beyond its floors or its share"
        return GateResult(
            choice.unfit_usd, position.policy.decision.min_trade_usd, passed=True, detail=detail
        )
    detail = (
        f"other accounts save {choice.saved_usd:,.2f} USD of interest in {days:g} days, "
        f"at least {limit:,.2f}: {times:g} times what the change costs"
    )
    if choice.placement.over_share:
        detail = f"{detail}; {choice.placement.over_share}"
    return GateResult(choice.saved_usd, limit, choice.moves, detail=detail)


def accounts_urgency(position: VaultPosition, _result: GateResult) -> Urgency:
    """Floors limit risk: what keeps them is not asked for its benefit."""
    choice = position.placing
    must_move = isinstance(choice, Placing) and choice.must_move
    return Urgency.OUT_OF_BAND if must_move else Urgency.ROUTINE
