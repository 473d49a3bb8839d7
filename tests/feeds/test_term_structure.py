"""At-the-money volatility over time from an option book."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from keeper.feeds.term_structure import OptionMark, option_marks, volatility_at

NOW = 1_700_000_000
DAY = 86_400


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
    assert (0.0, 0.586) == (found.moneyness, pytest.approx(found.iv))


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
    ],
)
def test_an_entry_without_a_usable_mark_is_left_out(changes: dict[str, object]) -> None:
    assert [] == option_marks([an_entry(**changes), "text", None])
