"""Where collateral and debt stand, and whether they change account for what that saves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from keeper.decision.gate_result import GateResult
from keeper.decision.position import VaultPosition
from keeper.domain.native_coin import estimated_usd
from keeper.domain.placement import Placing
from keeper.domain.units import BPS, SECONDS_PER_YEAR
from keeper.domain.urgency import Urgency
from keeper.lending.flash_lender import flash_lender
from keeper.sizing.account_bounds import account_floors
from keeper.sizing.account_terms import Terms, terms_of
from keeper.sizing.placing import STAYING, Floors, placed

IDLE_MOVE = 1e-4
"""A year's cost of a USD that changes account, at least: rounding of rates moves nothing."""


TRADE_MARGIN = 1.01
"""A trade aims this much above each floor where the accounts allow it: what it costs may all fall on one account."""


def with_placing(position: VaultPosition) -> VaultPosition:
    """With what a change of accounts alone would save. The position itself where the vault has one account."""
    if not position.snapshot.others:
        return position
    return replace(position, placing=placing(position, position.current.weights))


def placing(position: VaultPosition, weights: Sequence[float], cost_usd: float = 0.0) -> Placing | None:
    """Of the vault at these weights, after a trade that costs ``cost_usd``. What it costs becomes debt, so each account
    keeps its floors with it. None where the accounts cannot hold them, and for a vault with one account."""
    snapshot, policy, nav_usd = position.snapshot, position.policy, position.held.nav_usd
    if not snapshot.others or nav_usd <= 0.0:
        return None
    terms = terms_of(snapshot, position.model.symbols, policy.size)
    floors = account_floors(position.model, snapshot, policy.size)
    values = [weight * nav_usd for weight in weights]
    as_now = tuple(weights) == position.current.weights
    debt_usd = sum(values) - nav_usd * (1.0 - position.cash) + cost_usd
    debt_usd = position.held.debt_usd if as_now else max(0.0, debt_usd)
    years, premium = policy.decision.carry_horizon_s / SECONDS_PER_YEAR, flash_lender(snapshot).premium_bps
    per_usd = max(IDLE_MOVE, policy.decision.min_saving * premium / BPS / years)
    unfit_usd = _unfit_usd(position, terms, floors, debt_usd=debt_usd) if as_now else 0.0
    for factor in (1.0,) if as_now else (TRADE_MARGIN, 1.0):
        above = floors.times(factor)
        staying = placed(terms, values, debt_usd, floors=above, move_cost=STAYING)
        best = placed(terms, values, debt_usd, floors=above, move_cost=per_usd)
        if staying is not None and best is not None:
            break
    if staying is None or best is None:
        return None
    saved = (staying.carry_usd - best.carry_usd) * years
    cost = _gas_usd(position) + best.moved_usd * premium / BPS
    pays = saved > policy.decision.min_saving * cost
    return Placing(
        placement=best if pays else staying,
        moves=pays,
        saved_usd=saved,
        cost_usd=cost,
        unfit_usd=unfit_usd,
        must_move=unfit_usd > policy.decision.min_trade_usd,
    )


def _unfit_usd(position: VaultPosition, terms: Terms, floors: Floors, debt_usd: float) -> float:
    """As with the health factor of the whole vault, an account may fall below its floors by the part ``health_band``
    before it is a reason to act."""
    values = [weight * position.held.nav_usd for weight in position.current.weights]
    band = 1.0 - position.policy.decision.health_band
    banded = placed(terms, values, debt_usd, floors=floors.times(band), move_cost=STAYING)
    return banded.moved_usd if banded is not None else 0.0


def _gas_usd(position: VaultPosition) -> float:
    """Of a typical rebalance."""
    snapshot, policy = position.snapshot, position.policy
    wei = policy.decision.rebalance_gas * snapshot.block.base_fee_wei + snapshot.l1_fee_wei
    return estimated_usd(wei, snapshot, policy.plan.gas_usd_price_symbol)


def cheaper_accounts(position: VaultPosition) -> GateResult:
    """The trigger of the same name."""
    choice, times = position.placing, position.policy.decision.min_saving
    if choice is None:
        return GateResult(0.0, 0.0, passed=False, detail="the accounts leave no choice")
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
    return GateResult(choice.saved_usd, limit, choice.moves, detail=detail)


def accounts_urgency(position: VaultPosition, _result: GateResult) -> Urgency:
    """Floors limit risk: what keeps them is not asked for its benefit."""
    choice = position.placing
    return Urgency.OUT_OF_BAND if choice is not None and choice.must_move else Urgency.ROUTINE
