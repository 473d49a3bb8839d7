"""The weekly closure of a market, by the clock of New York."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.weekly_closure import WEEK_S
from keeper.settings.weekly_closure import weekly_closure

GOLD = weekly_closure("Fri 17:00 to Sun 18:00 America/New_York")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("closes", "opens"),
    [
        ("2023-01-06T22:00", "2023-01-08T23:00"),  # winter: five hours behind UTC
        ("2023-07-07T21:00", "2023-07-09T22:00"),  # summer: four hours
        ("2023-03-10T22:00", "2023-03-12T22:00"),  # the clock goes forward on the Sunday in between
        ("2023-11-03T21:00", "2023-11-05T23:00"),  # and back
    ],
)
def test_gold_is_closed_from_friday_to_sunday_evening_in_new_york(closes: str, opens: str) -> None:
    assert GOLD.is_open(at(closes) - 1)
    assert not GOLD.is_open(at(closes))
    assert not GOLD.is_open(at(opens) - 1)
    assert GOLD.is_open(at(opens))
    assert GOLD.open_seconds(at(closes) - 60, at(opens) + 60) == 120


def test_a_closure_may_pass_the_end_of_the_week() -> None:
    closure = weekly_closure("Sat 22:00 to Mon 02:00 UTC")
    assert not closure.is_open(at("2023-01-09T01:59"))
    assert closure.is_open(at("2023-01-09T02:00"))


@given(since=st.integers(at("2012-01-01T00:00"), at("2035-01-01T00:00")), length=st.integers(1, 20 * 86_400))
def test_open_seconds_add_up_and_agree_with_is_open(since: int, length: int) -> None:
    middle, until = since + length // 2, since + length
    parts = GOLD.open_seconds(since, middle) + GOLD.open_seconds(middle, until)
    assert GOLD.open_seconds(since, until) == parts
    assert GOLD.open_seconds(since, since + 1) == int(GOLD.is_open(since))
    assert GOLD.open_seconds(since, since + WEEK_S) in {WEEK_S - 3600 * hours for hours in (48, 49, 50)}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("weekends", "not written as"),
        ("Fri 25:00 to Sun 18:00 UTC", "not written as"),
        ("Fri 17:00 to Fri 17:00 UTC", "ends when it begins"),
        ("Fri 17:00 to Sun 18:00 Atlantis/Gold", "no time zone"),
    ],
)
def test_what_is_no_closure_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        weekly_closure(text)
