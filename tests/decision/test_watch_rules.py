"""Which differences between two blocks need a cycle."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.decision.watch_rules import as_seen, findings, recovered
from keeper.domain.block_look import BlockLook, WatchCause
from tests.factories import a_snapshot, with_aave_account

SEEN = BlockLook(1_700_000_000, {0: 2.0}, {"WETH": 2_000 * 10**8}, paused=False, epoch=4, nonce=9)
ALERT = 1.4


def causes(now: BlockLook, before: BlockLook = SEEN) -> set[WatchCause]:
    return {found.cause for found in findings(now, before, health_factor=ALERT, price_move=0.02)}


def test_the_same_look_later_asks_for_nothing() -> None:
    assert causes(replace(SEEN, timestamp=SEEN.timestamp + 12)) == set()


@pytest.mark.parametrize(
    ("now", "cause"),
    [
        (replace(SEEN, health_factors={0: 1.39}), WatchCause.HEALTH_FACTOR),
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
    low = replace(SEEN, health_factors={0: 1.3})
    assert causes(replace(SEEN, health_factors={0: 1.299}), low) == set()
    assert causes(replace(SEEN, health_factors={0: 1.29}), low) == {WatchCause.HEALTH_FACTOR}
    assert causes(replace(SEEN, health_factors={0: 1.35}), low) == set()


def test_an_account_that_stays_without_a_price_asks_once() -> None:
    dead = replace(SEEN, health_factors={0: 0.0})
    assert causes(dead) == {WatchCause.HEALTH_FACTOR}
    assert causes(dead, dead) == set()


@given(st.floats(0.5, 3.0) | st.just(math.inf), st.floats(0.5, 3.0) | st.just(math.inf))
def test_a_health_factor_that_crosses_the_level_is_never_missed(before: float, now: float) -> None:
    found = causes(replace(SEEN, health_factors={0: now}), replace(SEEN, health_factors={0: before}))
    if now < ALERT <= before:
        assert found == {WatchCause.HEALTH_FACTOR}
    if now >= ALERT:
        assert found == set()


def test_a_breach_of_one_account_is_found_while_another_is_lower_and_stuck() -> None:
    seen = replace(SEEN, health_factors={0: 2.0, 1: 0.0, 2: 1.5})
    found = findings(
        replace(seen, health_factors={0: 2.0, 1: 0.0, 2: 1.39}), seen, health_factor=ALERT, price_move=0.02
    )
    assert [(each.cause, each.subject) for each in found] == [(WatchCause.HEALTH_FACTOR, "account 2")]
    assert found[0].text.startswith("health factor of account 2 1.3900")


def test_each_account_recovers_by_itself() -> None:
    seen = replace(SEEN, health_factors={0: 2.0, 1: 1.2})
    higher = recovered(seen, replace(SEEN, health_factors={0: 1.9, 1: 1.5}))
    assert higher.health_factors == {0: 2.0, 1: 1.5}


def test_an_account_that_the_last_cycle_did_not_know_is_watched() -> None:
    assert causes(replace(SEEN, health_factors={0: 2.0, 1: 1.3})) == {WatchCause.HEALTH_FACTOR}


def test_what_a_cycle_read_has_the_health_factor_of_each_account() -> None:
    snapshot = with_aave_account(a_snapshot(leverage=1.5), {"WETH": 100_000.0}, 60_000.0)
    factors = as_seen(snapshot, SEEN).health_factors
    assert list(factors) == [0, 1]
    assert factors[1] == pytest.approx(0.85 * 100 / 60, rel=1e-6)
