"""Timing the oracle earns nothing: the shares' pricing rule on the recorded rounds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

import pytest

from tests.oracle.share_timing import (
    DATA,
    HOUR,
    Rounds,
    cost_of_the_higher,
    holders_keep,
    holders_keep_by_choice_of_moment,
    honest_waits,
    mispriced,
    moments,
    recorded,
)

pytestmark = pytest.mark.skipif(
    not all((DATA / f"chainlink_rounds_{name}_usd.csv").is_file() for name in ("eth", "btc", "usdc")),
    reason="no recorded rounds in KEEPER_DATA_DIR",
)

SPREAD = 0.0005
STARTS = range(0, 2_000, 20)


@pytest.fixture(scope="module")
def rounds() -> Rounds:
    return recorded()


def test_the_price_of_a_batch_is_not_off_to_either_side(rounds: Rounds, show: Callable[[str], None]) -> None:
    off = [mispriced(rounds, moment) for moment in moments(rounds)]
    error = statistics.stdev(off) / math.sqrt(len(off))
    show(f"{len(off)} moments: off by {statistics.mean(off):.4%} on average, standard error {error:.4%}")
    assert abs(statistics.mean(off)) < 2.0 * error


@pytest.mark.parametrize("capital", [0.1, 1.0, 9.0])
def test_holders_keep_all_but_half_a_percent(
    rounds: Rounds, capital: float, show: Callable[[str], None]
) -> None:
    kept = [holders_keep(rounds, capital, SPREAD, start=start) for start in STARTS]
    bare = [holders_keep(rounds, capital, 0.0, start=start) for start in STARTS]
    chosen = min(holders_keep_by_choice_of_moment(rounds, capital, least) for least in (0.001, 0.003, 0.005))
    show(
        f"capital {capital} x NAV: holders keep {statistics.mean(kept):.2%} (worst start {min(kept):.2%}), "
        f"without spread {statistics.mean(bare):.2%} ({min(bare):.2%} to {max(bare):.2%}), "
        f"by the higher of request and settlement {chosen:.2%}"
    )
    assert statistics.mean(kept) >= 0.995


def test_an_honest_holder_waits_at_most_a_day(rounds: Rounds, show: Callable[[str], None]) -> None:
    waits = honest_waits(rounds)
    show(
        f"wait: median {statistics.median(waits) / HOUR:.1f} h, worst {max(waits) / HOUR:.1f} h; the higher of "
        f"request and settlement would cost {cost_of_the_higher(rounds):.3%} a deposit, this rule {SPREAD:.3%}"
    )
    assert max(waits) <= 25 * HOUR
