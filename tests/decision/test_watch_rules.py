"""Which differences between two blocks need a cycle."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.decision.watch_rules import findings
from keeper.domain.block_look import BlockLook, WatchCause

SEEN = BlockLook(1_700_000_000, 2.0, {"WETH": 2_000 * 10**8}, paused=False, epoch=4, nonce=9)
ALERT = 1.4


def causes(now: BlockLook, before: BlockLook = SEEN) -> set[WatchCause]:
    return {found.cause for found in findings(now, before, health_factor=ALERT, price_move=0.02)}


def test_the_same_look_later_asks_for_nothing() -> None:
    assert causes(replace(SEEN, timestamp=SEEN.timestamp + 12)) == set()


@pytest.mark.parametrize(
    ("now", "cause"),
    [
        (replace(SEEN, health_factor=1.39), WatchCause.HEALTH_FACTOR),
        (replace(SEEN, prices={"WETH": 1_960 * 10**8}), WatchCause.PRICE_MOVE),
        (replace(SEEN, prices={"WETH": 2_040 * 10**8}), WatchCause.PRICE_MOVE),
        (replace(SEEN, paused=True), WatchCause.VAULT_PAUSED),
        (replace(SEEN, epoch=5), WatchCause.VAULT_CHANGED),
        (replace(SEEN, nonce=10), WatchCause.KEY_USED),
    ],
)
def test_each_difference_that_matters_is_a_cause_of_its_own(now: BlockLook, cause: WatchCause) -> None:
    assert causes(now) == {cause}


@pytest.mark.parametrize(
    "prices",
    [{}, {"WETH": 2_039 * 10**8}, {"WETH": 2_000 * 10**8, "LINK": 10**8}],
    ids=["a feed that gives no answer", "a small move", "a feed that was unknown"],
)
def test_what_does_not_matter_asks_for_nothing(prices: dict[str, int]) -> None:
    assert causes(replace(SEEN, prices=prices)) == set()


def test_a_feed_that_said_zero_is_no_reference() -> None:
    assert causes(SEEN, replace(SEEN, prices={"WETH": 0})) == set()


def test_below_the_level_only_a_further_fall_asks_again() -> None:
    low = replace(SEEN, health_factor=1.3)
    assert causes(replace(SEEN, health_factor=1.299), low) == set()
    assert causes(replace(SEEN, health_factor=1.29), low) == {WatchCause.HEALTH_FACTOR}
    assert causes(replace(SEEN, health_factor=1.35), low) == set()


def test_an_account_that_stays_without_a_price_asks_once() -> None:
    dead = replace(SEEN, health_factor=0.0)
    assert causes(dead) == {WatchCause.HEALTH_FACTOR}
    assert causes(dead, dead) == set()


@given(st.floats(0.5, 3.0) | st.just(math.inf), st.floats(0.5, 3.0) | st.just(math.inf))
def test_a_health_factor_that_crosses_the_level_is_never_missed(before: float, now: float) -> None:
    found = causes(replace(SEEN, health_factor=now), replace(SEEN, health_factor=before))
    if now < ALERT <= before:
        assert found == {WatchCause.HEALTH_FACTOR}
    if now >= ALERT:
        assert found == set()
