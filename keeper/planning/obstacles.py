"""What the lending market and the vault refuse, known from the snapshot before anything is simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.domain.errors import NothingFeasible
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import PostState, Step, StepKind
from keeper.domain.units import BPS, WAD, to_float
from keeper.planning.collateral import borrowable
from keeper.planning.funding import Funding

WAIT = "Wait until the lending market opens it again, or leave the asset out."
SMALLER = "Lower max_trade or max_leverage, or wait until the lending market has room again."
ENABLE = "Have the vault's admin enable it (setAsset), or leave the asset out."


@dataclass(frozen=True, slots=True)
class Obstacle:
    reason: str
    remedy: str


def require_no_obstacle(steps: Sequence[Step], funded: Funding, snapshot: MarketSnapshot) -> None:
    """Raises NothingFeasible naming the step's token, what it lacks and the remedy."""
    _require_flash_loan(funded, snapshot)
    for step in steps:
        if step.kind is StepKind.SUPPLY:
            refuse_if(f"SUPPLY of {step.symbol}", supply_obstacle(step.symbol, step.expected_in, snapshot))
        elif step.kind is StepKind.WITHDRAW:
            refuse_if(
                f"WITHDRAW of {step.symbol}", withdraw_obstacle(step.symbol, step.expected_out, snapshot)
            )
        elif step.kind is StepKind.BORROW:
            refuse_if(f"BORROW of {step.symbol}", _borrow_obstacle(steps, funded, snapshot))
        elif step.kind is StepKind.REPAY:
            refuse_if(f"REPAY of {step.symbol}", _closed(step.symbol, snapshot))
        elif step.route is not None:
            bought = step.route.symbols[-1]
            refuse_if(f"buying {bought}", _disabled(bought, snapshot))


def require_within_limits(
    nav_usd: float, expected: PostState, snapshot: MarketSnapshot, *, emergency: bool
) -> None:
    """What the vault checks after the steps (RiskParityVault.rebalance and _lower), of the state that is expected;
    ``nav_usd`` is before. Raises NothingFeasible."""
    policy = snapshot.vault.policy
    allowed = policy.max_emergency_loss_bps if emergency else policy.max_loss_bps
    loss = (1.0 - expected.nav_usd / nav_usd) * BPS if nav_usd > 0.0 else 0.0
    if loss > allowed:
        raise NothingFeasible(
            f"at the quoted prices the plan loses {loss:.1f} bps of NAV, and the vault allows {allowed}",
            remedy="Raise decision.trade_cost_bps to what trades cost here, so that a cycle goes less far.",
        )
    if emergency:
        return
    floor, cap = policy.min_health_factor / WAD, policy.max_leverage / WAD
    if expected.health_factor < floor:
        raise NothingFeasible(
            f"the plan ends at a health factor of {expected.health_factor:.3f}, and the vault's floor is {floor:g}",
            remedy="Lower max_leverage, or deleverage by hand (keeper deleverage).",
        )
    if expected.leverage > cap:
        raise NothingFeasible(
            f"the plan ends at a leverage of {expected.leverage:.3f}, and the vault's cap is {cap:g}",
            remedy="Lower max_leverage, or deleverage by hand (keeper deleverage).",
        )


def supply_obstacle(symbol: str, amount: int, snapshot: MarketSnapshot) -> Obstacle | None:
    """Why ``amount`` raw cannot become collateral (Aave ValidationLogic.validateSupply); None if it can."""
    reserve, token = snapshot.reserve(symbol), snapshot.token(symbol)
    closed = _closed(symbol, snapshot) or _frozen(symbol, snapshot) or _disabled(symbol, snapshot)
    if closed:
        return closed
    if reserve.ltv_bps == 0:
        return Obstacle("its loan to value is 0, and nothing else could be withdrawn beside it", WAIT)
    if reserve.supply_cap and reserve.supplied + amount > reserve.supply_cap * 10**token.decimals:
        return Obstacle(f"its reserve is at its supply cap of {reserve.supply_cap:,}", SMALLER)
    return None


def withdraw_obstacle(symbol: str, amount: int, snapshot: MarketSnapshot) -> Obstacle | None:
    """Why ``amount`` raw of collateral cannot leave; None if it can. Frozen reserves can be left."""
    closed = _closed(symbol, snapshot)
    if closed:
        return closed
    free = snapshot.reserve(symbol).available
    if amount > free:
        has = f"{to_float(free, snapshot.token(symbol).decimals):,.4g}"
        return Obstacle(f"its reserve has {has} that is not lent out", SMALLER)
    return None


def _borrow_obstacle(steps: Sequence[Step], funded: Funding, snapshot: MarketSnapshot) -> Obstacle | None:
    """Of all that is borrowed, in one step or several."""
    reserve, token, amount = snapshot.reserves[0], snapshot.debt_token, funded.borrow
    closed = _closed(token.symbol, snapshot) or _frozen(token.symbol, snapshot)
    if closed:
        return closed
    if not reserve.borrowing_enabled:
        return Obstacle("it cannot be borrowed now", WAIT)
    owed = reserve.borrowed - funded.repay_first + amount
    if reserve.borrow_cap and owed > reserve.borrow_cap * 10**token.decimals:
        return Obstacle(f"its reserve is at its borrow cap of {reserve.borrow_cap:,}", SMALLER)
    # Aave FlashLoanLogic takes a flash loan out of what can be lent for as long as it is out.
    free = reserve.available - funded.flash + funded.repay_first
    if amount > free:
        has = f"{to_float(max(0, free), token.decimals):,.0f}"
        return Obstacle(f"its reserve has {has} to lend beside the flash loan", SMALLER)
    debt = snapshot.holdings[0].owed - funded.repay_first + amount
    carried = borrowable(_collateral_after(steps, snapshot), snapshot)
    if debt > carried:
        has = f"{to_float(carried, token.decimals):,.0f}"
        return Obstacle(f"the collateral carries a debt of {has} by its loan-to-value", SMALLER)
    return None


def _collateral_after(steps: Sequence[Step], snapshot: MarketSnapshot) -> dict[str, int]:
    supplied = {holding.symbol: holding.supplied for holding in snapshot.holdings}
    for step in steps:
        if step.kind is StepKind.SUPPLY:
            supplied[step.symbol] += step.expected_in
        elif step.kind is StepKind.WITHDRAW:
            supplied[step.symbol] -= step.expected_out
    return supplied


def _require_flash_loan(funded: Funding, snapshot: MarketSnapshot) -> None:
    """Aave ValidationLogic.validateFlashloanSimple."""
    if not funded.flash:
        return
    reserve, token = snapshot.reserves[0], snapshot.debt_token
    found = _closed(token.symbol, snapshot)
    if not found and not reserve.flash_loan_enabled:
        found = Obstacle("its reserve gives none", WAIT)
    if not found and funded.flash > reserve.available:
        has = f"{to_float(reserve.available, token.decimals):,.0f}"
        found = Obstacle(f"its reserve has {has} to lend", SMALLER)
    refuse_if(f"flash loan of {token.symbol}", found)


def _closed(symbol: str, snapshot: MarketSnapshot) -> Obstacle | None:
    reserve = snapshot.reserve(symbol)
    if reserve.paused:
        return Obstacle("its reserve is paused", WAIT)
    return None if reserve.active else Obstacle("its reserve is not active", WAIT)


def _frozen(symbol: str, snapshot: MarketSnapshot) -> Obstacle | None:
    return Obstacle("its reserve is frozen", WAIT) if snapshot.reserve(symbol).frozen else None


def _disabled(symbol: str, snapshot: MarketSnapshot) -> Obstacle | None:
    enabled = any(asset.symbol == symbol and asset.enabled for asset in snapshot.vault.assets)
    return None if enabled else Obstacle("the vault has it disabled", ENABLE)


def refuse_if(what: str, obstacle: Obstacle | None) -> None:
    if obstacle is not None:
        raise NothingFeasible(f"{what}: {obstacle.reason}", remedy=obstacle.remedy)
