"""When batches of requests are closed and settled, and by which rounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.decision.line import DOES_NOT_MATTER, affordable, due_call, round_hints
from keeper.domain.line import Line, LineCall, LineDecision, LinePolicy, LineRehearsal, RoundHint
from keeper.domain.market import Round
from tests.properties import examples

PHASE = 3 << 64
NOW = 2_000_000
CLOSED = NOW - 7_200
POLICY = LinePolicy(max_cost_usd=20.0, partial_after_s=86_400)
REDEEM, DEPOSIT, CLOSE = LineCall


def feed(*times: int) -> list[Round]:
    return [Round(PHASE | number, 10**8 + number, at) for number, at in enumerate(times, start=1)]


def line(deposits: int = 0, redemptions: int = 0, assets: int = 0, shares: int = 0, now: int = NOW) -> Line:
    return Line(now, deposits, redemptions, pending_assets=assets, pending_shares=shares)


def rehearsal(pays_all: bool = True, **reverts: str) -> LineRehearsal:
    """``SETTLE_DEPOSITS="NoFairPrice()"``; empty text for a call that goes through."""
    return LineRehearsal({LineCall[name]: why for name, why in reverts.items()}, pays_all)


# ---------------------------------------------------------------------- hints


def test_the_hints_are_of_the_first_moment_when_every_feed_has_published() -> None:
    fast = feed(90, 110, 130, 150, 170)
    slow = feed(40, 150)
    assert round_hints([None, fast, slow], closed_at=100) == (
        DOES_NOT_MATTER,
        RoundHint(first=PHASE | 2, last=PHASE | 4),
        RoundHint(first=PHASE | 2, last=PHASE | 2),
    )


def test_there_are_none_while_a_feed_that_matters_has_not_published() -> None:
    assert round_hints([feed(90, 110), feed(40, 100)], closed_at=100) is None
    assert round_hints([feed(90, 110), []], closed_at=100) is None


def test_a_vault_of_cash_alone_needs_no_round() -> None:
    assert round_hints([None, None], closed_at=100) == (DOES_NOT_MATTER, DOES_NOT_MATTER)


def test_a_new_phase_begins_with_its_own_first_round() -> None:
    assert round_hints([feed(110, 130)], closed_at=100) == (RoundHint(PHASE | 1, PHASE | 1),)


@given(
    st.lists(
        st.lists(st.integers(1, 200), min_size=1, max_size=12, unique=True).map(sorted),
        min_size=1,
        max_size=4,
    ),
    st.integers(0, 200),
)
@examples(200)
def test_the_hints_satisfy_what_the_price_book_checks(times: list[list[int]], closed_at: int) -> None:
    """PriceBook.firstAfter and priceAt, written down again."""
    feeds = [feed(*each) for each in times]
    hints = round_hints(feeds, closed_at)
    if hints is None:
        assert any(each[-1].updated_at <= closed_at for each in feeds)
        return
    by_id = [{round_.round_id: round_ for round_ in each} for each in feeds]
    firsts = [known[hint.first].updated_at for known, hint in zip(by_id, hints, strict=True)]
    moment = max(firsts)
    for known, hint, first in zip(by_id, hints, firsts, strict=True):
        assert first > closed_at
        before = known.get(hint.first - 1)
        assert before is None or before.updated_at <= closed_at
        assert known[hint.last].updated_at <= moment
        after = known.get(hint.last + 1)
        assert after is None or after.updated_at > moment


# ------------------------------------------------------------------- decision


def test_nothing_is_sent_while_nobody_waits() -> None:
    assert due_call(line(), rehearsal(CLOSE="NothingClosed()"), POLICY) == LineDecision(None, "nobody waits")


@pytest.mark.parametrize("requests", [{"assets": 5}, {"shares": 5}, {"assets": 5, "redemptions": CLOSED}])
def test_a_batch_closes_when_requests_wait_in_it(requests: dict[str, int]) -> None:
    assert due_call(line(**requests), rehearsal(CLOSE=""), POLICY).call is CLOSE


def test_a_batch_does_not_close_before_its_time() -> None:
    decision = due_call(line(assets=5), rehearsal(CLOSE="TooEarly(notBefore=9)"), POLICY)
    assert decision == LineDecision(None, "close waits: TooEarly(notBefore=9)")


def test_a_second_batch_of_a_side_does_not_close_before_the_first_has_its_price() -> None:
    waiting = line(deposits=CLOSED, assets=5)
    assert due_call(waiting, rehearsal(CLOSE=""), POLICY).call is None


def test_who_leaves_is_settled_before_who_comes() -> None:
    both = line(deposits=CLOSED, redemptions=CLOSED, assets=5, shares=5)
    assert due_call(both, rehearsal(SETTLE_REDEMPTIONS="", SETTLE_DEPOSITS=""), POLICY).call is REDEEM
    blocked = rehearsal(SETTLE_REDEMPTIONS="NotEnoughCash(cash=0, needed=9)", SETTLE_DEPOSITS="")
    assert due_call(both, blocked, POLICY).call is DEPOSIT


def test_a_settlement_waits_for_every_feed() -> None:
    decision = due_call(line(deposits=CLOSED, assets=5), rehearsal(), POLICY)
    assert decision.call is None
    assert "a feed has not published" in decision.reason


@pytest.mark.parametrize("why", ["NoFairPrice()", "Paused()", "RoundRefused(token=WETH)"])
def test_nothing_is_sent_that_would_revert(why: str) -> None:
    decision = due_call(line(deposits=CLOSED, assets=5), rehearsal(SETTLE_DEPOSITS=why), POLICY)
    assert decision.call is None
    assert why in decision.reason


def test_redemptions_wait_for_cash_that_pays_all_and_after_a_day_take_what_there_is() -> None:
    short = rehearsal(SETTLE_REDEMPTIONS="", pays_all=False)
    for waited, call in ((7_200, None), (86_399, None), (86_400, REDEEM)):
        waiting = line(redemptions=NOW - waited, shares=5)
        assert due_call(waiting, short, POLICY).call is call


def test_a_call_that_costs_more_than_the_policy_allows_waits() -> None:
    decision = due_call(line(assets=5), rehearsal(CLOSE=""), POLICY)
    assert affordable(decision, 20.0, POLICY) == decision
    expensive = affordable(decision, 20.01, POLICY)
    assert expensive.call is None
    assert "$20.01, at most $20.00" in expensive.reason
    assert affordable(LineDecision(None, "nobody waits"), 99.0, POLICY).reason == "nobody waits"
