"""The checks that a simulated plan must pass before anything is signed, by name."""

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
