"""Benchmark strategies: other allocations through the same engine."""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.policy import Policy

ALLOCATIONS = {
    "equal weight": "equal_weight",
    "inverse volatility": "inverse_volatility",
    "minimum variance": "minimum_variance",
    "hierarchical risk parity, decided daily": "hierarchical_risk_parity",
}
"""Display name to ``size.allocation``. Each is levered to the same target under the same bounds."""

DECIDES_EVERY_S = {"hierarchical_risk_parity": 86_400}
"""Time between decisions, because one call of the library takes milliseconds. Its display name says so."""


def bars_between_decisions(allocation: str, bar_seconds: int) -> int:
    return max(1, DECIDES_EVERY_S.get(allocation, 0) // bar_seconds)


def with_allocation(policy: Policy, allocation: str) -> Policy:
    return replace(policy, size=replace(policy.size, allocation=allocation))
