"""Hypothesis profiles and the number of examples of a property test.

``default`` is deterministic: the same examples in every run. ``fast`` is ``default`` with a tenth of the examples.
``explore`` is random, takes forty times the examples and keeps each failing example in ``.hypothesis``.
"""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

EXAMPLES_OF_A_TEST: Final = 100
"""Where a test does not ask for a number; also what Hypothesis itself uses."""

FEWEST: Final = 5

SCALE: Final = {"default": 1.0, "fast": 0.1, "explore": 40.0}
"""By profile: what a test's number of examples is multiplied by."""

# No test fails because the machine is slow.
_ON_ANY_MACHINE: Final = [HealthCheck.too_slow]


def register() -> None:
    """Registers the three profiles and loads ``default``; ``--hypothesis-profile`` chooses another."""
    for name in ("default", "fast"):
        settings.register_profile(
            name,
            derandomize=True,
            database=None,
            deadline=None,
            max_examples=scaled(EXAMPLES_OF_A_TEST, name),
            suppress_health_check=_ON_ANY_MACHINE,
        )
    settings.register_profile(
        "explore",
        derandomize=False,
        database=DirectoryBasedExampleDatabase(".hypothesis/examples"),
        deadline=None,
        max_examples=scaled(EXAMPLES_OF_A_TEST, "explore"),
        print_blob=True,
        suppress_health_check=_ON_ANY_MACHINE,
    )
    settings.load_profile("default")


def scaled(count: int, profile: str) -> int:
    return max(FEWEST, round(count * SCALE[profile]))


def examples(count: int) -> settings:
    """Decorates a property test: ``count`` examples in the profile ``default``, scaled in the other profiles."""
    return settings(max_examples=scaled(count, settings.get_current_profile_name()))
