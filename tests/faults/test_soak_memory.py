"""How a soak judges that memory is flat: the slope of the second half, which a leak raises and a warm start does not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.faults.soak import Sample, SoakResult
from tests.faults.test_soak import LONG, MAX_GROWTH_MB

pytestmark = pytest.mark.unit

EVERY = 100
NOISE_MB = 0.7
"""What two samples of a flat daemon differ by."""


def growth(cycles: int, per_thousand_mb: float, *, warm_mb: float = 0.0, seed: int = 1) -> float:
    """Of a daemon that takes ``warm_mb`` in its first quarter, and then grows evenly."""
    noise = np.random.default_rng(seed)
    result = SoakResult(seed)
    for cycle in range(0, cycles + 1, EVERY):
        warm = min(cycle / (cycles / 4), 1.0) * warm_mb
        rss_mb = 128.0 + warm + per_thousand_mb * cycle / 1_000 + noise.normal(scale=NOISE_MB)
        result.samples.append(
            Sample(cycle, cycle * 0.4, rss_mb, cpu_s=0.0, node_rss_mb=0.0, harness_cpu_s=0.0)
        )
    return result.growth_mb


@pytest.mark.parametrize("seed", range(20))
def test_over_ten_thousand_cycles_it_tells_a_leak_from_none(seed: int) -> None:
    assert growth(10_000, 0.0, warm_mb=5.0, seed=seed) <= MAX_GROWTH_MB / 2
    assert growth(10_000, 1.5 * MAX_GROWTH_MB, seed=seed) > MAX_GROWTH_MB


def test_a_shorter_run_finds_a_coarser_leak_only() -> None:
    assert growth(LONG, 5.0 * MAX_GROWTH_MB) > MAX_GROWTH_MB
