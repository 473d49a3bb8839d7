"""The checks of a simulated plan before it is signed, and of the vault after it was mined, by name."""

from __future__ import annotations

from keeper.domain.plan import Check
from keeper.domain.units import BPS

CHECKS = {
    "simulation_succeeded": "The exact calldata does not revert on the pinned block.",
    "nav_loss": "The call loses at most as much NAV, in bps, as the vault allows.",
    "health_factor_floor": "Not for a deleverage: the health factor of the account that the call changes is afterwards "
    "at least the vault's floor, and at least size.min_health_factor less plan.nav_tolerance_bps of it, or what it was "
    "before where that is lower.",
    "every_account_healthy": "Several accounts, not for a deleverage: the lowest health factor afterwards, also of "
    "accounts that the call leaves alone, is at least the vault's floor.",
    "health_factor_raised": "A deleverage only: the health factor of the account that it changes is higher after the "
    "call than before.",
    "leverage_cap": "Not for a deleverage: leverage after the call is at most the vault's cap.",
    "leverage_on_goal": "The simulated leverage is within plan.leverage_tolerance of the expected.",
    "weights_on_goal": "Every simulated weight is within plan.weight_tolerance of the expected.",
    "nav_as_expected": "The simulated NAV is within plan.nav_tolerance_bps of the expected.",
    "cost_within_benefit": "ROUTINE only: gas, fees, slippage and flash loan premium cost at most the benefit of the "
    "trade.",
}
"""What each check of ``verify`` demands. A plan that fails one is not sent. A plan that fails only cost_within_benefit
is an ordinary HOLD."""

POST_TRADE_CHECKS = {
    "risk_spread_improved": "Not for a RIPCORD: the largest gap between a share of risk and its target is at most the "
    "largest of the gap before, decision.risk_share_band, and the planned gap + plan.weight_tolerance.",
    "leverage_within_target": "Leverage after the call is at most (target leverage, or the plan's if it stops "
    "part-way, or the leverage before if it is a RIPCORD) + plan.leverage_tolerance.",
    "no_allowance_left": "No token of the vault's accounts is still approved for a lending market.",
    "nav_as_simulated": "NAV is within plan.nav_tolerance_bps of the simulated NAV.",
    "outputs_as_simulated": "No swap returned less than simulated by more than plan.nav_tolerance_bps.",
    "outputs_as_quoted": "No swap returned less than quoted by more than plan.nav_tolerance_bps.",
}
"""What each check of ``post_trade_checks`` demands of the state that is read back after the plan was mined."""

MUST_HOLD = ("risk_spread_improved", "leverage_within_target", "no_allowance_left")
"""A failure of one of these ends the cycle with PostStateUnexpected. A failure of another is a warning."""


def within_maximum(name: str, value: float, limit: float, detail: str) -> Check:
    return Check(name=name, value=value, limit=limit, passed=value <= limit, detail=detail)


def within_minimum(name: str, value: float, limit: float, detail: str) -> Check:
    return Check(name=name, value=value, limit=limit, passed=value >= limit, detail=detail)


def loss_bps(before: float, after: float) -> float:
    """What is lost of ``before``; negative is a gain. 0 where there was nothing."""
    return (1.0 - after / before) * BPS if before > 0 else 0.0
