"""Less information never raises risk: for every subset of a look's inputs, degraded in every way."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.cycle.degradations import (
    ALL_ASSETS,
    DEGRADATIONS,
    LONGEST_S,
    SHORTEST_S,
    Degradation,
    degraded,
)
from tests.cycle.information_properties import violations
from tests.cycle.market_states import a_market_state
from tests.factories import RISK_SYMBOLS
from tests.properties import examples

SEEDS = st.integers(min_value=0, max_value=10_000)
DEGRADED = st.builds(
    Degradation,
    name=st.sampled_from(sorted(DEGRADATIONS)),
    symbol=st.sampled_from([ALL_ASSETS, *RISK_SYMBOLS]),
    seconds=st.integers(min_value=SHORTEST_S, max_value=LONGEST_S),
    place=st.floats(min_value=0.0, max_value=1.0),
)
EVERYTHING_FROZEN = (Degradation("newest bars frozen", ALL_ASSETS, 43_200, 0.0),)


ONLY_EXCHANGE_CALMED = (Degradation("candles: calmer than the market", ALL_ASSETS, 60, 1.0),)
"""The state 96 has slow feeds and one exchange."""


@pytest.mark.slow
@given(seed=SEEDS, degradations=st.lists(DEGRADED, min_size=1, max_size=6).map(tuple))
@example(seed=0, degradations=EVERYTHING_FROZEN)
@example(seed=96, degradations=ONLY_EXCHANGE_CALMED)
@examples(160)
def test_a_look_that_knows_less_takes_no_more_risk(seed: int, degradations: tuple[Degradation, ...]) -> None:
    assert violations(a_market_state(seed), degradations) == ()


@pytest.mark.parametrize("name", sorted(DEGRADATIONS))
def test_no_single_missing_part_raises_risk(name: str) -> None:
    degradation = Degradation(name, ALL_ASSETS, 26 * 3_600, 0.5)
    for seed in range(3):
        assert violations(a_market_state(seed), (degradation,)) == ()


@given(
    seed=SEEDS,
    looks=st.lists(st.lists(DEGRADED, min_size=1, max_size=3).map(tuple), min_size=2, max_size=4),
)
@examples(40)
def test_leverage_only_falls_until_the_information_is_back(
    seed: int, looks: list[tuple[Degradation, ...]]
) -> None:
    state = a_market_state(seed)
    last = state.earlier(len(looks)).assessed()
    assume(not last.target.missing)  # a slow feed may have stood still by then
    leverages = [last.target.leverage]
    for hours_ago, degradations in zip(range(len(looks) - 1, -1, -1), looks, strict=True):
        now = state.earlier(hours_ago) if hours_ago else state
        last = degraded(now, degradations).assessed(last.information)
        if not last.target.missing:
            break  # what was degraded is nothing that this vault has
        leverages.append(last.target.leverage)
    assert all(after <= before * (1 + 1e-9) for before, after in pairwise(leverages))
