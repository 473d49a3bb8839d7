"""What a run of random states was like, as lines to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from tests.chain.state_runs import Costs, Outcome, shares_a_pool

FEW_SWAPS = 3
Ratio = Callable[[Costs], float | None]
REFERENCE_COSTS: tuple[tuple[str, Ratio], ...] = (
    ("of naive, one pool a trade", lambda one: one.plan / one.direct if one.direct else None),
    ("of naive, one route a trade", lambda one: one.plan / one.naive if one.naive else None),
    ("of the least possible", lambda one: one.plan / one.least),
    ("of the same, no gas of splits, hops and loans", lambda one: one.plan / one.without),
    (
        f"of the least possible, up to {FEW_SWAPS} swaps",
        lambda one: one.plan / one.least if one.swaps <= FEW_SWAPS else None,
    ),
)


def table(outcomes: Sequence[Outcome], seed: int) -> str:
    planned = [one for one in outcomes if one.plan is not None]
    troubled = [one for one in outcomes if one.state.troubles]
    wrong = [one for one in planned if one.wrong]
    shared = sum(one.plan is not None and shares_a_pool(one.plan) for one in outcomes)
    summary = (
        f"{len(outcomes)} states of seed {seed}: {len(planned)} plans, {len(wrong)} of them turned away "
        f"({shared} plans share a pool), {len(outcomes) - len(planned)} refusals; {len(troubled)} with a troubled "
        f"reserve, {sum(one.plan is not None for one in troubled)} of them planned"
    )
    lines = [
        summary,
        *(f"  {count:>4} refused: {reason}" for reason, count in _reasons(outcomes).most_common()),
        f"{'a plan costs, gas at 20 gwei':<48}{'min':>8}{'median':>8}{'90 %':>8}{'max':>8}{'of state':>10}{'states':>8}",
    ]
    costs = [(one.costs, one.state.number) for one in outcomes if one.costs is not None]
    for name, ratio in REFERENCE_COSTS:
        lines.append(
            quantiles(name, [(found, number) for one, number in costs if (found := ratio(one)) is not None])
        )
    gas = [(one.gas, one.state.number) for one in planned if one.gas]
    lines.append(quantiles("gas used, of what the planner estimated", gas))
    return "\n".join(lines)


def _reasons(outcomes: Sequence[Outcome]) -> Counter[str]:
    return Counter(one.refusal.split(":")[0] for one in outcomes if one.plan is None)


def quantiles(name: str, values: Sequence[tuple[float, int]]) -> str:
    """``values`` with the number of their states, so that the worst can be looked at."""
    if not values:
        return f"{name:<48}{'–':>8}"
    parts = np.quantile([value for value, _ in values], (0.0, 0.5, 0.9, 1.0))
    columns = "".join(f"{part:>8.3f}" for part in parts)
    return f"{name:<48}{columns}{max(values)[1]:>10}{len(values):>8}"
