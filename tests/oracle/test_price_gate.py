"""Each rule on its own, what confirms and what does not, and that judging twice is judging once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keeper.domain.market import FeedReading, MarketSnapshot, Round, Trust
from keeper.domain.policy import OraclePolicy
from keeper.domain.prices import FeedMemory, Opinion
from keeper.domain.units import USD
from keeper.oracle.memory import updated_memory
from keeper.oracle.price_gate import judged, usable_opinions
from keeper.oracle.rules import RULES
from keeper.oracle.single_feed_rules import single_feed_verdicts
from tests.factories import NOW, a_block, a_feed, a_feed_policy, a_snapshot, an_oracle_policy

POLICY = an_oracle_policy(a_feed_policy("WETH", heartbeat_s=3_600, deviation_bps=50))
PRICE = 1_650 * USD
ORDER = (Trust.DEAD, Trust.SUSPECT, Trust.STALE, Trust.FRESH)


def weth(**changes: Any) -> FeedReading:
    """``changes``: of the round (round_id, answer, updated_at) or of the reading."""
    told = Round(
        changes.pop("round_id", 100), changes.pop("answer", PRICE), changes.pop("updated_at", NOW - 60)
    )
    return a_feed("WETH", round=told, **changes)


def look(reading: FeedReading, now: int = NOW) -> MarketSnapshot:
    return replace(a_snapshot(), block=a_block(timestamp=now), feeds=(single_feed_verdicts(reading, now),))


def said(*prices: float | None, at: int = NOW) -> tuple[Opinion, ...]:
    return tuple(
        Opinion("WETH", f"source {place}", price, at, reason="") for place, price in enumerate(prices)
    )


def a_memory(**changes: Any) -> FeedMemory:
    memory = FeedMemory(
        symbol="WETH",
        feed=a_feed("WETH").feed,
        last_round_id=99,
        last_updated_at=NOW - 120,
        fresh_answer=PRICE,
        fresh_at=NOW - 60,
        block_time_streak=0,
        observed_at=NOW - 60,
    )
    return replace(memory, **changes)


def verdict(
    reading: FeedReading,
    *opinions: Opinion,
    memory: FeedMemory | None = None,
    policy: OraclePolicy = POLICY,
) -> tuple[Trust, str]:
    after = judged(look(reading), opinions, (memory,) if memory is not None else (), policy).feeds[0]
    return after.trust, after.rule


FRESH = (Trust.FRESH, "")


def test_an_ordinary_round_is_fresh() -> None:
    assert verdict(weth()) == FRESH
    assert verdict(weth(), *said(1_648.0, 1_655.0, 1_650.0), memory=a_memory()) == FRESH


@pytest.mark.parametrize(
    ("reading", "trust", "rule"),
    [
        (weth(round_id=0, answer=0, updated_at=0), Trust.DEAD, "no_round"),
        (weth(answer=0), Trust.DEAD, "not_positive"),
        (weth(answer=-PRICE), Trust.DEAD, "not_positive"),
        (weth(updated_at=NOW + 1), Trust.SUSPECT, "from_future"),
        (weth(updated_at=NOW - 4_501), Trust.STALE, "too_old"),
        (weth(answer=PRICE, min_answer=PRICE), Trust.SUSPECT, "at_bound"),
        (weth(answer=PRICE, max_answer=PRICE), Trust.SUSPECT, "at_bound"),
    ],
)
def test_the_rules_on_the_round_alone(reading: FeedReading, trust: Trust, rule: str) -> None:
    assert verdict(reading) == (trust, rule)


def test_the_heartbeat_counts_where_it_is_shorter_than_what_the_vault_takes() -> None:
    assert verdict(weth(updated_at=NOW - 3_900)) == FRESH
    assert verdict(weth(updated_at=NOW - 3_901)) == (Trust.STALE, "too_old")
    assert verdict(weth(updated_at=NOW - 3_901), policy=an_oracle_policy()) == FRESH


def test_a_round_that_was_seen_later_does_not_come_back() -> None:
    assert verdict(weth(round_id=98), memory=a_memory()) == (Trust.SUSPECT, "went_back")
    assert verdict(weth(updated_at=NOW - 121), memory=a_memory()) == (Trust.SUSPECT, "time_went_back")
    another = a_memory(feed="0x" + "11" * 20)
    assert verdict(weth(round_id=98), memory=another) == FRESH


def test_a_jump_needs_a_second_source_and_is_believed_with_time() -> None:
    fallen = weth(answer=PRICE * 8 // 10)
    assert verdict(fallen, memory=a_memory()) == (Trust.SUSPECT, "jumped")
    assert verdict(fallen, *said(1_322.0), memory=a_memory()) == FRESH
    assert verdict(fallen, *said(1_322.0, at=NOW - 301), memory=a_memory()) == (Trust.SUSPECT, "jumped")
    assert verdict(fallen, memory=a_memory(fresh_at=NOW - 4 * 3_600)) == FRESH


def test_a_ratio_that_is_read_as_a_price_is_not_believed_however_long_it_stays() -> None:
    """The mis-composed feed of row 50: 1.12 instead of 1,650 USD."""
    ratio = weth(answer=112 * USD // 100)
    for days in (0, 1, 7, 30):
        assert verdict(ratio, memory=a_memory(fresh_at=NOW - days * 86_400)) == (Trust.SUSPECT, "jumped")


def test_a_feed_that_is_always_fresh_is_noticed_at_the_third_look() -> None:
    memory: tuple[FeedMemory, ...] = ()
    rules = []
    for place in range(5):
        now = NOW + 12 * place
        snapshot = judged(look(weth(updated_at=now), now), (), memory, POLICY)
        memory = updated_memory(memory, snapshot)
        rules.append(snapshot.feeds[0].rule)
    assert rules == ["", "", "always_now", "always_now", "always_now"]
    confirmed = judged(look(weth(updated_at=now + 12), now + 12), said(1_650.0, at=now + 12), memory, POLICY)
    assert confirmed.feeds[0].trust is Trust.FRESH


def test_looking_often_at_one_block_does_not_make_a_feed_always_fresh() -> None:
    memory: tuple[FeedMemory, ...] = ()
    for _ in range(5):
        snapshot = judged(look(weth(updated_at=NOW)), (), memory, POLICY)
        memory = updated_memory(memory, snapshot)
    assert snapshot.feeds[0].trust is Trust.FRESH


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ((1_650.0, 1_073.0), FRESH),  # one venue depegs to 0.65: the median wins
        ((1_650.0, 1_073.0, 1_651.0), FRESH),
        ((1_073.0,), (Trust.SUSPECT, "disagrees")),  # of two nobody knows who is right
        ((1_073.0, 1_080.0), (Trust.SUSPECT, "disagrees")),
        ((1_073.0, 1_080.0, 1_650.0, 1_075.0), (Trust.SUSPECT, "disagrees")),
        ((None, float("nan"), -5.0), FRESH),  # nothing usable: the feed alone
        ((1_650.0 * 1.0199,), FRESH),
        ((1_650.0 * 1.021,), (Trust.SUSPECT, "disagrees")),
    ],
)
def test_the_median_of_all_sources_decides(
    prices: tuple[float | None, ...], expected: tuple[Trust, str]
) -> None:
    assert verdict(weth(), *said(*prices)) == expected


@pytest.mark.parametrize(
    ("market", "expected"),
    [
        (0.934, (Trust.SUSPECT, "below_rate")),  # staked ETH on 18 June 2022
        (0.985, FRESH),
        (1.07, (Trust.SUSPECT, "disagrees")),  # above its rate no peg is lost
    ],
)
def test_a_market_below_the_redemption_rate_has_a_name_of_its_own(
    market: float, expected: tuple[Trust, str]
) -> None:
    counts_a_rate = an_oracle_policy(
        a_feed_policy("WETH", heartbeat_s=3_600, deviation_bps=50, rate_based=True)
    )
    prices = said(*(1_650.0 * market * wiggle for wiggle in (0.999, 1.0, 1.001)))
    assert verdict(weth(), *prices, policy=counts_a_rate) == expected
    if expected[1] == "below_rate":
        assert verdict(weth(), *prices) == (Trust.SUSPECT, "disagrees")


def test_only_fresh_prices_are_compared_with_later_ones() -> None:
    bad = judged(look(weth(answer=5 * USD, round_id=101)), (), (a_memory(),), POLICY)
    (after,) = updated_memory((a_memory(),), bad)
    assert (after.fresh_answer, after.fresh_at) == (PRICE, NOW - 60)
    assert after.last_round_id == 101


def test_a_stamp_from_the_future_does_not_make_honest_rounds_look_old() -> None:
    ahead = judged(look(weth(updated_at=NOW + 9_000, round_id=500)), (), (a_memory(),), POLICY)
    (after,) = updated_memory((a_memory(),), ahead)
    assert (after.last_round_id, after.last_updated_at) == (99, NOW - 120)


readings = st.builds(
    lambda answer, age, number, least: weth(
        answer=answer, updated_at=NOW - age, round_id=number, min_answer=least
    ),
    st.integers(-10, 10_000).map(lambda price: price * USD),
    st.integers(-100, 20_000),
    st.integers(1, 200),
    st.sampled_from((0, 1, PRICE)),
)
opinions = st.lists(
    st.builds(
        lambda price, age: Opinion("WETH", "somebody", price, NOW - age, reason=""),
        st.one_of(st.none(), st.floats(allow_nan=True), st.floats(1.0, 10_000.0)),
        st.integers(-600, 600),
    ),
    max_size=5,
)
memories = st.builds(
    lambda accepted, at, number, count: (
        a_memory(
            fresh_answer=accepted * USD, fresh_at=NOW - at, last_round_id=number, block_time_streak=count
        ),
    ),
    st.integers(0, 10_000),
    st.integers(0, 200_000),
    st.integers(0, 200),
    st.integers(0, 5),
)


@given(readings, opinions, memories)
@example(
    reading=weth(answer=2_000 * USD, updated_at=NOW),
    told=[Opinion("WETH", "somebody", 1.8e300, NOW, reason="")],
    memory=(),
)
def test_judging_again_changes_nothing_and_nothing_makes_a_round_better_than_it_says(
    reading: FeedReading, told: list[Opinion], memory: tuple[FeedMemory, ...]
) -> None:
    before = look(reading)
    once = judged(before, told, memory, POLICY)
    assert judged(once, told, memory, POLICY) == once
    assert ORDER.index(once.feeds[0].trust) <= ORDER.index(before.feeds[0].trust)


@given(readings, opinions, memories, st.floats(1.0, 10_000.0))
def test_a_single_opinion_more_never_hides_a_dead_stale_or_backward_feed(
    reading: FeedReading, told: list[Opinion], memory: tuple[FeedMemory, ...], price: float
) -> None:
    hard = {"no_round", "not_positive", "from_future", "went_back", "time_went_back", "too_old", "at_bound"}
    without = judged(look(reading), told, memory, POLICY).feeds[0]
    with_one = judged(look(reading), [*told, *said(price)], memory, POLICY).feeds[0]
    if without.rule in hard:
        assert with_one.trust is not Trust.FRESH


def test_every_rule_has_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(rule.trust is not Trust.FRESH for rule in RULES)


@pytest.mark.parametrize(("factor", "expected"), [(1.149, FRESH), (1.151, (Trust.SUSPECT, "jumped"))])
def test_the_whole_jump_is_accepted_at_any_moment_within_the_hour(
    factor: float, expected: tuple[Trust, str]
) -> None:
    for elapsed in (1, 60, 3_600):
        moved = weth(answer=round(PRICE * factor))
        assert verdict(moved, memory=a_memory(fresh_at=NOW - elapsed)) == expected


def test_another_feed_of_the_token_begins_its_own_rounds_and_streak_but_not_its_own_price() -> None:
    other = a_memory(feed="0x" + "11" * 20, block_time_streak=5)
    assert verdict(weth(updated_at=NOW), memory=other) == FRESH
    assert verdict(weth(answer=PRICE * 2), memory=other) == (Trust.SUSPECT, "jumped")
    refused = judged(look(weth(answer=PRICE * 2, round_id=7)), (), (other,), POLICY)
    (after,) = updated_memory((other,), refused)
    assert (after.feed, after.last_round_id, after.block_time_streak) == (a_feed("WETH").feed, 7, 0)
    assert (after.fresh_answer, after.fresh_at) == (other.fresh_answer, other.fresh_at)


def test_the_newest_round_is_remembered_also_when_it_has_the_blocks_own_time() -> None:
    (after,) = updated_memory((a_memory(),), judged(look(weth(updated_at=NOW)), (), (a_memory(),), POLICY))
    assert (after.last_round_id, after.last_updated_at) == (100, NOW)


def test_a_round_from_the_past_does_not_replace_the_newest_one_seen() -> None:
    back = judged(look(weth(round_id=50, updated_at=NOW - 500)), (), (a_memory(),), POLICY)
    (after,) = updated_memory((a_memory(),), back)
    assert (after.last_round_id, after.last_updated_at) == (99, NOW - 120)


def test_each_source_counts_once_and_only_with_a_usable_price() -> None:
    opinions = (
        *said(1_650.0, None, float("nan"), -5.0),
        Opinion("WETH", "source 0", 1_651.0, NOW, reason=""),
        *(replace(one, source="old") for one in said(1_650.0, at=NOW - POLICY.opinion_max_age_s - 1)),
        *(replace(one, source="future") for one in said(1_650.0, at=NOW + POLICY.opinion_max_age_s + 1)),
    )
    counts = usable_opinions(a_snapshot(), opinions, POLICY)
    assert counts == {"USDC": 0, "WBTC": 0, "WETH": 1, "LINK": 0, "UNI": 0}


def test_the_extremes_of_all_opinions_are_kept_with_the_reading() -> None:
    after = judged(look(weth()), said(1_640.0, 1_660.0, 1_655.0), (), policy=POLICY).feeds[0]
    assert (after.lowest_opinion, after.highest_opinion) == (1_640 * USD, 1_660 * USD)
    alone = judged(replace(look(weth()), feeds=(after,)), (), (), policy=POLICY).feeds[0]
    assert (alone.lowest_opinion, alone.highest_opinion) == (0, 0)
    dead = judged(look(weth(answer=0)), said(1_640.0), (), policy=POLICY).feeds[0]
    assert (dead.trust, dead.lowest_opinion) == (Trust.DEAD, 1_640 * USD)
