"""The option book is named, dated and priced as an inverse option market is."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from keeper.devnet.deribit_options import (
    Option,
    expiries,
    forward_price,
    listed_options,
    mark,
    smile,
)

NOW = int(datetime(2022, 6, 10, tzinfo=UTC).timestamp())
JUNE = int(datetime(2022, 6, 24, 8, tzinfo=UTC).timestamp())


def test_names_are_deribits() -> None:
    assert Option("BTC", JUNE, 30_000, "C").name == "BTC-24JUN22-30000-C"


def test_expiries_are_at_eight_and_ahead_with_a_quarter_among_them() -> None:
    listed = [datetime.fromtimestamp(expiry, UTC) for expiry in expiries(NOW)]
    assert all(moment.hour == 8 and moment.timestamp() > NOW for moment in listed)
    assert [f"{moment:%m-%d}" for moment in listed] == sorted(f"{moment:%m-%d}" for moment in listed)
    assert datetime(2022, 9, 30, 8, tzinfo=UTC) in listed
    assert datetime(2022, 6, 24, 8, tzinfo=UTC) in listed
    thirty_days = NOW + 30 * 86_400
    assert listed[0].timestamp() < thirty_days < listed[-1].timestamp(), "30 days can be interpolated"


def test_strikes_surround_the_money_at_every_expiry() -> None:
    options = listed_options("ETH", 1_788.0, 0.87, NOW)
    assert len({option.name for option in options}) == len(options)
    for expiry in expiries(NOW):
        strikes = {option.strike for option in options if option.expiry == expiry}
        assert len(strikes) >= 6
        assert min(strikes) < 1_788 < max(strikes)


def test_calls_and_puts_are_at_parity() -> None:
    call, put = (mark(Option("BTC", JUNE, 32_000, kind), 30_000.0, 0.7, NOW) for kind in "CP")
    assert call.price - put.price == pytest.approx((call.forward - 32_000) / call.forward, abs=1e-12)
    assert call.delta - put.delta == pytest.approx(1.0)


def test_the_thirty_day_variance_swap_of_the_book_is_the_index() -> None:
    """Carr and Madan: total variance = 2 ∫ Q(K)/K² dK over out-of-the-money options; DVOL is its root."""
    for volatility in (0.45, 0.73, 1.2):
        expiry = NOW + 30 * 86_400
        forward = forward_price(30_000.0, expiry, NOW)
        deviation = volatility * math.sqrt(30 / 365)
        steps, total = 4_000, 0.0
        width = 12 * deviation / steps
        for i in range(steps):
            strike = forward * math.exp(-6 * deviation + (i + 0.5) * width)
            kind = "C" if strike > forward else "P"
            premium = _value_at(strike, kind, expiry, volatility)
            total += premium / strike * width
        replicated = math.sqrt(2 * total / (30 / 365))
        assert replicated == pytest.approx(volatility, rel=0.01)


def _value_at(strike: float, kind: str, expiry: int, volatility: float) -> float:
    """USD value; scaled so that strikes need not be whole dollars."""
    scale = 1_000_000
    option = Option("BTC", expiry, round(strike * scale), kind)
    worth = mark(option, 30_000.0 * scale, volatility, NOW)
    return worth.price * worth.forward / scale


def test_the_smile_is_lowest_near_the_money() -> None:
    assert smile(-3.0, 0.7) > smile(0.0, 0.7) < smile(3.0, 0.7)
    assert smile(50.0, 0.7) == smile(4.0, 0.7)
