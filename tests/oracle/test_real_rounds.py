"""Recorded rounds through the gate: no bad price is accepted, and no more than one good round of 200 is refused.

``make tables`` prints the counts; docs/prices.md has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from keeper.domain.market import Round, Trust
from keeper.domain.policy import FeedPolicy
from keeper.domain.units import USD
from tests.factories import a_feed_policy
from tests.oracle.replayed import (
    DATA,
    Counts,
    Gate,
    Look,
    as_answered,
    column,
    counted,
    every_hour,
    rounds,
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DATA / "chainlink_rounds_eth_usd.csv").is_file(), reason="no recorded rounds in KEEPER_DATA_DIR"
    ),
]

MOST_REFUSED = 0.005
BAD_BPS = 250
YEAR = ("2023-04-01", "2024-01-01")
QUARTER = ("2023-04-01", "2023-07-01")
"""What is looked at of the year without ``--tables``."""
SUMMER = ("2022-05-01", "2022-07-01")
DEPEG = ("2023-03-09", "2023-03-18")
ETH = a_feed_policy("WETH", heartbeat_s=3_600, deviation_bps=50)
BTC = a_feed_policy("WBTC", heartbeat_s=3_600, deviation_bps=50)
STETH = a_feed_policy("stETH", heartbeat_s=86_400, deviation_bps=200, max_jump=0.05)
USDT = a_feed_policy("USDT", heartbeat_s=86_400, deviation_bps=25, max_jump=0.02)
USDC = a_feed_policy("USDC", heartbeat_s=86_400, deviation_bps=25, max_jump=0.10)
FILES = {
    "ETH": ("chainlink_rounds_eth_usd.csv", 8, *YEAR),
    "BTC": ("chainlink_rounds_btc_usd.csv", 8, *YEAR),
    "stETH/ETH": ("chainlink_rounds_steth_eth.csv", 18, *SUMMER),
    "USDT": ("chainlink_rounds_usdt_usd.csv", 8, *SUMMER),
}


@pytest.fixture
def year(request: pytest.FixtureRequest) -> tuple[str, str]:
    return YEAR if request.config.getoption("--tables") else QUARTER


def recorded(name: str, year: tuple[str, str]) -> list[Round]:
    file, decimals, *window = FILES[name]
    return rounds(file, decimals, *(year if tuple(window) == YEAR else window))


def passes(name: str, counts: Counts, show: Callable[[str], None]) -> None:
    show(f"{name}: {counts}")
    assert counts.good > 0
    assert counts.bad_accepted == 0
    assert counts.refused_share <= MOST_REFUSED


@pytest.mark.parametrize(("name", "feed"), [("ETH", ETH), ("BTC", BTC), ("stETH/ETH", STETH), ("USDT", USDT)])
def test_every_round_alone_as_it_was_answered(
    name: str, feed: FeedPolicy, year: tuple[str, str], show: Callable[[str], None]
) -> None:
    found = recorded(name, year)
    passes(f"{name}, every round, no other source", counted(as_answered(found), feed, BAD_BPS), show)


@pytest.mark.parametrize(("name", "feed"), [("ETH", ETH), ("BTC", BTC)])
def test_every_hour_beside_the_exchange(
    name: str, feed: FeedPolicy, year: tuple[str, str], show: Callable[[str], None]
) -> None:
    closes = column("hourly_close.csv", "ts_close_utc", name, *year)
    looks = every_hour(recorded(name, year), closes)
    passes(f"{name}, every hour, beside the exchange's close", counted(looks, feed, BAD_BPS), show)


def test_usdt_beside_the_pool_through_may_2022(show: Callable[[str], None]) -> None:
    usdc_in_usdt = column("univ3_usdc_usdt_1bp_hourly.csv", "ts_utc", "usdc_in_usdt", *SUMMER)
    liquid = column("univ3_usdc_usdt_1bp_hourly.csv", "ts_utc", "liquidity", *SUMMER)
    pool = {at: 1 / price for at, price in usdc_in_usdt.items() if liquid[at] > 0}
    passes(
        "USDT, every hour, beside the pool",
        counted(every_hour(rounds(*FILES["USDT"]), pool), USDT, BAD_BPS),
        show,
    )


def usdc_as_a_feed() -> list[Round]:
    """The aggregator's 15-minute closes, answered when they have moved by the deviation or the heartbeat is over."""
    closes = column("usdc_usd_15m_2023-03.csv", "ts_open_utc", "close", *DEPEG)
    found: list[Round] = []
    for at in sorted(closes):
        price = round(closes[at] * USD)
        moved = not found or abs(price / found[-1].answer - 1) * 1e4 >= USDC.deviation_bps
        if moved or at + 900 - found[-1].updated_at >= 86_400:
            found.append(Round(len(found) + 1, price, at + 900))
    return found


def pool_and_exchange() -> dict[int, tuple[float, float | None]]:
    pool = column("univ3_usdc_usdt_1bp_hourly.csv", "ts_utc", "usdc_in_usdt", *DEPEG)
    exchange = column("hourly_usdcusdt_binance.csv", "ts_close_utc", "close", *DEPEG)
    return {at: (price, exchange.get(at)) for at, price in pool.items()}


def depeg_looks(found: list[Round]) -> list[Look]:
    """At each hour the pool is the other source; what is true is the exchange's price where it traded USDC, else the
    pool's."""
    others = pool_and_exchange()
    looks = []
    for look in every_hour(found, {at: pool for at, (pool, _) in others.items()}):
        pool, exchange = others[look.at]
        looks.append(replace(look, opinions=(pool,), truth=exchange if exchange is not None else pool))
    return looks


def test_usdc_through_its_depeg_every_round_alone(show: Callable[[str], None]) -> None:
    passes("USDC, every round, no other source", counted(as_answered(usdc_as_a_feed()), USDC, BAD_BPS), show)


def test_usdc_through_its_depeg_beside_the_pool(show: Callable[[str], None]) -> None:
    passes("USDC, every hour, beside the pool", counted(depeg_looks(usdc_as_a_feed()), USDC, BAD_BPS), show)


def test_a_feed_that_reports_one_dollar_through_the_depeg_is_refused(show: Callable[[str], None]) -> None:
    others = pool_and_exchange()
    stubborn = [Round(place, USD, at) for place, at in enumerate(sorted(others), start=1)]
    counts = counted(depeg_looks(stubborn), USDC, BAD_BPS)
    show(f"USDC that says 1.00: {counts}")
    assert counts.bad > 20
    assert counts.bad_accepted == 0


def spoiled(one: Round, before: Round) -> dict[str, Round]:
    """What a broken or mis-composed feed has been seen to say instead."""
    return {
        "zero": replace(one, answer=0),
        "negative": replace(one, answer=-one.answer),
        "a ratio read as a price": replace(one, answer=112_000_000),
        "two decimals too many": replace(one, answer=one.answer * 100),
        "two decimals too few": replace(one, answer=one.answer // 100),
        "half": replace(one, answer=one.answer // 2),
        "double": replace(one, answer=one.answer * 2),
        "an earlier round": replace(one, round_id=before.round_id - 1),
        "from the future": replace(one, updated_at=one.updated_at + 3_600),
        "two heartbeats old": replace(one, updated_at=one.updated_at - 2 * 86_400),
    }


@pytest.mark.parametrize(("name", "feed"), [("ETH", ETH), ("BTC", BTC)])
def test_of_rounds_spoiled_in_ten_ways_none_is_accepted(
    name: str,
    feed: FeedPolicy,
    year: tuple[str, str],
    show: Callable[[str], None],
    request: pytest.FixtureRequest,
) -> None:
    """Every tenth for the table, every fiftieth else."""
    found, gate = recorded(name, year), Gate(feed)
    every = 10 if request.config.getoption("--tables") else 50
    tried, accepted = 0, []
    for place, one in enumerate(found):
        at = one.updated_at + 10
        if place and place % every == 0:
            for how, bad in spoiled(one, found[place - 1]).items():
                tried += 1
                if gate.verdict(Look(at, bad), keep=False).trust is Trust.FRESH:
                    accepted.append((how, place))
        gate.verdict(Look(at, one))
    show(f"{name}: {tried} spoiled rounds, {len(accepted)} accepted")
    assert accepted == []
