"""When a feed of a scenario answers."""

from __future__ import annotations

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from keeper.devnet.scenario.rounds import FeedAnswer, FeedRule, due_answers, rule_of

RULE = FeedRule(heartbeat_s=3_600, deviation=0.005)
FIRST = FeedAnswer(2_000 * 10**8, 1_000_020)


def test_a_market_that_stands_still_is_answered_by_the_heartbeat_alone() -> None:
    answers = list(due_answers(RULE, FIRST, lambda at: 2_000.0, until=FIRST.at + 3 * 3_600))
    assert [answer.at - FIRST.at for answer in answers] == [3_600, 7_200, 10_800]


def test_no_answer_repeats_the_one_before_to_the_last_digit() -> None:
    answers = [FIRST, *due_answers(RULE, FIRST, lambda at: 2_000.0, until=FIRST.at + 5 * 3_600)]
    assert all(later.units != earlier.units for earlier, later in pairwise(answers))
    assert all(abs(answer.units - FIRST.units) <= 1 for answer in answers)


def test_a_move_by_the_deviation_threshold_is_answered_within_a_minute() -> None:
    jump = FIRST.at + 605
    answers = list(
        due_answers(RULE, FIRST, lambda at: 2_000.0 if at < jump else 1_980.0, until=FIRST.at + 1_800)
    )
    assert [(answer.price, answer.at) for answer in answers] == [(1_980.0, jump + 55)]


def test_a_smaller_move_waits_for_the_heartbeat() -> None:
    answers = list(due_answers(RULE, FIRST, lambda at: 2_009.0, until=FIRST.at + 3_600))
    assert [answer.at - FIRST.at for answer in answers] == [3_600]


@given(step=st.floats(-0.004, 0.004), cut=st.integers(0, 7_200))
def test_answers_do_not_depend_on_how_often_they_are_asked_for(step: float, cut: int) -> None:
    def price(at: int) -> float:
        return 2_000.0 * math.pow(1.0 + step, (at - FIRST.at) / 600)

    until = FIRST.at + 7_200
    at_once = list(due_answers(RULE, FIRST, price, until))
    early = list(due_answers(RULE, FIRST, price, FIRST.at + cut))
    late = list(due_answers(RULE, early[-1] if early else FIRST, price, until))
    assert early + late == at_once


def test_the_dollar_has_the_rule_of_its_own_feed() -> None:
    assert rule_of("USDC") == FeedRule(heartbeat_s=86_400, deviation=0.0025)
    assert rule_of("WETH") == FeedRule(heartbeat_s=3_600, deviation=0.005)
