"""The checks of a simulated plan before anything is signed, and of what it left behind once mined, by name."""

from __future__ import annotations

CHECKS = {
    "simulation_succeeded": "the exact calldata does not revert on the pinned block",
    "nav_loss": "NAV lost by the plan, in bps, within what the vault allows for the call",
    "health_factor_floor": "health factor after the plan at or above the higher of the settings' and the vault's floor",
    "health_factor_raised": "an emergency deleveraging ends with a higher health factor than it began",
    "leverage_cap": "leverage after the plan within the vault's cap",
    "leverage_on_goal": "simulated leverage within plan.leverage_tolerance of the expected",
    "weights_on_goal": "every simulated weight within plan.weight_tolerance of the expected",
    "nav_as_expected": "simulated NAV within plan.nav_tolerance_bps of the expected",
    "cost_within_benefit": "ROUTINE only: gas, fees, slippage and flash premium below what the lower risk is worth",
}
"""Name to what it demands. A plan that fails any of them is not sent; failing only cost_within_benefit is an
ordinary HOLD."""

POST_TRADE_CHECKS = {
    "risk_spread_improved": "the largest gap of a risk share to its target is no wider than before, than "
    "decision.risk_share_band, or than planned; not of a RIPCORD",
    "leverage_within_target": "leverage above the target's, the plan's on a part of the way, or after a RIPCORD that "
    "before, by no more than plan.leverage_tolerance",
    "no_allowance_left": "no token of the vault is left approved for router or lending pool",
    "nav_as_simulated": "NAV within plan.nav_tolerance_bps of the simulated",
    "outputs_as_simulated": "no swap returned less than simulated by more than plan.nav_tolerance_bps",
    "outputs_as_quoted": "no swap returned less than quoted by more than plan.nav_tolerance_bps",
}
"""Name to what it demands of the state read back after a plan was mined."""

MUST_HOLD = ("risk_spread_improved", "leverage_within_target", "no_allowance_left")
"""Failing one of these ends the cycle with PostStateUnexpected; failing another is a warning."""
