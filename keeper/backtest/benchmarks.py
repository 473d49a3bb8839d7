"""Benchmark strategies: other allocations through the same engine."""

from __future__ import annotations

from dataclasses import replace

from keeper.domain.policy import Policy

ALLOCATIONS = {
    "equal weight": "equal_weight",
    "inverse volatility": "inverse_volatility",
    "minimum variance": "minimum_variance",
    "hierarchical risk parity": "hierarchical_risk_parity",
}
"""Display name to ``size.allocation``. Each is levered to the same target under the same bounds."""


def with_allocation(policy: Policy, allocation: str) -> Policy:
    return replace(policy, size=replace(policy.size, allocation=allocation))
