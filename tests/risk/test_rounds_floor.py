"""Rounds of slow feeds alone do not tell the volatility that closes tell: not to any estimator.

``make tables TESTS=tests/risk/test_rounds_floor.py`` prints the errors of 100 looks; docs/estimators.md has them.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.risk.rounds_floor import Market, errors_of_the_best_estimate
from tests.risk.slow_rules import RULES

CALM = 0.016
"""Volatility a day, as in 2023."""
SLOWEST = "2 %, 24 h"
FEW, MANY = 16, 100


@pytest.mark.slow
def test_even_the_best_estimate_from_rounds_errs_by_several_per_cent(
    request: pytest.FixtureRequest, show: Callable[[str], None]
) -> None:
    is_table = bool(request.config.getoption("--tables"))
    for name in RULES if is_table else (SLOWEST,):
        errors = errors_of_the_best_estimate(Market(CALM, RULES[name]), MANY if is_table else FEW)
        show(
            f"{name}, {CALM:.1%} a day, {errors.size} looks: one standard deviation {errors.std():.1%}, "
            f"mean {errors.mean():+.1%}, lowest {errors.min():+.1%}, highest {errors.max():+.1%}"
        )
        assert abs(errors.mean()) < 0.03
        if name == SLOWEST:
            assert errors.std() > 0.02
