"""At-the-money volatility over time from an option book."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.feeds.term_structure import OptionMark, option_marks, slice_at, volatility_of

NOW = 1_700_000_000
DAY = 86_400


def volatility_at(marks: Sequence[OptionMark], as_of: int, horizon_s: int) -> float | None:
    return volatility_of(slice_at(marks, as_of, horizon_s), as_of, horizon_s)


def mark(days: float, moneyness: float, iv: float) -> OptionMark:
    return OptionMark(NOW + round(days * DAY), moneyness, iv)


def test_between_strikes_it_is_linear_in_moneyness() -> None:
    marks = [mark(30, -0.02, 0.60), mark(30, 0.06, 0.68)]
    assert 0.62 == pytest.approx(volatility_at(marks, NOW, 30 * DAY), abs=1e-12)


def test_a_call_and_a_put_of_one_strike_are_averaged_and_far_strikes_do_not_count() -> None:
    marks = [mark(30, 0.0, 0.60), mark(30, 0.0, 0.64), mark(30, -0.5, 3.0), mark(30, 0.5, 3.0)]
    assert 0.62 == pytest.approx(volatility_at(marks, NOW, 30 * DAY), abs=1e-12)


def test_between_expiries_it_is_linear_in_total_variance() -> None:
    marks = [mark(7, 0.0, 0.80), mark(35, 0.0, 0.60)]
    variance = (0.80**2 * 7 * 5 + 0.60**2 * 35 * 23) / 28  # 30 days: 5/28 of the first, 23/28 of the second
    assert math.sqrt(variance / 30) == pytest.approx(volatility_at(marks, NOW, 30 * DAY), abs=1e-12)


def test_beyond_the_outer_expiries_it_is_flat() -> None:
    marks = [mark(7, 0.0, 0.80), mark(35, 0.0, 0.60)]
    assert 0.80 == volatility_at(marks, NOW, 1 * DAY)
    assert 0.60 == volatility_at(marks, NOW, 300 * DAY)


def test_expired_options_and_one_sided_expiries_do_not_count() -> None:
    marks = [mark(-1, 0.0, 2.0), mark(0, 0.0, 2.0), mark(10, 0.1, 2.0), mark(35, 0.0, 0.60)]
    assert 0.60 == volatility_at(marks, NOW, 10 * DAY)
    assert volatility_at(marks[:3], NOW, 10 * DAY) is None
    assert volatility_at([], NOW, 10 * DAY) is None


def an_entry(**changes: object) -> dict[str, object]:
    return {"instrument_name": "BTC-5JUN26-76000-C", "mark_iv": 58.6, "underlying_price": 76_000.0} | changes


def test_an_entry_of_the_book_is_read_with_its_expiry_at_eight_utc() -> None:
    (found,) = option_marks([an_entry()])
    assert datetime(2026, 6, 5, 8, tzinfo=UTC) == datetime.fromtimestamp(found.expiry, UTC)
    assert found.moneyness == 0.0
    assert found.iv == pytest.approx(0.586)


@pytest.mark.parametrize(
    "changes",
    [
        {"mark_iv": None},
        {"mark_iv": 0.0},
        {"mark_iv": 500.0},
        {"mark_iv": math.nan},
        {"mark_iv": "58"},
        {"mark_iv": True},
        {"underlying_price": None},
        {"underlying_price": -1.0},
        {"underlying_price": math.inf},
        {"instrument_name": "BTC-PERPETUAL"},
        {"instrument_name": "BTC-5XXX26-76000-C"},
        {"instrument_name": "BTC-5JUN26-0-C"},
        {"instrument_name": None},
        {"bid_price": 0.02, "ask_price": 0.02},
        {"bid_price": 0.03, "ask_price": 0.02},
        {"instrument_name": "BTC-5JUN26-" + "9" * 5_000 + "-C"},
        {"mark_iv": 10**400},
    ],
)
def test_an_entry_without_a_usable_mark_is_left_out(changes: dict[str, object]) -> None:
    assert [] == option_marks([an_entry(**changes), "text", None])


@pytest.mark.parametrize(
    ("quotes", "two_sided"),
    [
        ({"bid_price": 0.01, "ask_price": 0.02}, True),
        ({"bid_price": None, "ask_price": 0.02}, False),
        ({"bid_price": 0.01, "ask_price": None}, False),
        ({"bid_price": 0.0, "ask_price": 0.02}, False),
        ({"bid_price": "x", "ask_price": math.nan}, False),
        ({}, False),
    ],
)
def test_two_sided_is_what_somebody_bids_for_and_offers(quotes: dict[str, object], two_sided: bool) -> None:
    (found,) = option_marks([an_entry(**quotes)])
    assert two_sided == found.two_sided


def test_one_sided_marks_count_only_where_an_expiry_has_no_others() -> None:
    quoted = [mark(30, 0.0, 0.60)]
    alone = [OptionMark(NOW + days * DAY, 0.0, iv, two_sided=False) for days, iv in ((30, 3.0), (60, 0.50))]
    near, far = slice_at([*quoted, *alone], NOW, 45 * DAY)
    assert (0.60, 1, 0.50, 1) == (near.volatility, near.marks, far.volatility, far.marks)


def test_the_slice_names_both_expiries_and_their_weights() -> None:
    marks = [mark(7, 0.0, 0.80), mark(35, -0.1, 0.60), mark(35, 0.1, 0.60), mark(90, 0.0, 0.50)]
    near, far = slice_at(marks, NOW, 28 * DAY)
    assert [(7.0, 0.80, 1), (35.0, pytest.approx(0.60), 2)] == [
        (t.days, t.volatility, t.marks) for t in (near, far)
    ]
    assert (0.25, 0.75) == (near.weight, far.weight)
    assert [1.0] == [t.weight for t in slice_at(marks, NOW, DAY)]
    assert [1.0] == [t.weight for t in slice_at(marks, NOW, 365 * DAY)]
    assert () == slice_at([], NOW, DAY)


MARKS = st.builds(
    OptionMark,
    st.integers(NOW - 5 * DAY, NOW + 400 * DAY),
    st.sampled_from([-0.1, 0.0, 0.1]),
    st.floats(0.01, 5.0),
    st.booleans(),
)


@given(st.lists(MARKS, max_size=20), st.integers(1, 500 * DAY))
def test_the_number_is_made_of_the_slice_and_of_nothing_else(marks: list[OptionMark], horizon_s: int) -> None:
    used = slice_at(marks, NOW, horizon_s)
    volatility = volatility_at(marks, NOW, horizon_s)
    assert volatility_of(used, NOW, horizon_s) == volatility
    assert (volatility is None) == (not used)
    assert all(term.expiry > NOW and 0.0 <= term.weight <= 1.0 for term in used)
    if volatility is not None:
        assert 1.0 == pytest.approx(sum(term.weight for term in used))
        variances = [term.volatility**2 * term.days for term in used]
        if len(used) == 2:
            assert min(variances) * 0.999999 <= volatility**2 * horizon_s / DAY <= max(variances) * 1.000001
