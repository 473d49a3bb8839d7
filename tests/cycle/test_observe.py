"""What a cycle collects: rounds to store, assets whose feed is young, opinions, the last good implied volatility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from keeper.cycle.observe import observe, underlyings
from keeper.cycle.ports import Ports, Reading
from keeper.domain.market import MarketSnapshot
from keeper.domain.prices import Candle, Opinion, exchange_series
from tests.cycle.fakes import (
    FREE,
    FakeBars,
    FakeChain,
    FakePauses,
    FakeRounds,
    a_keeper,
    with_rounds,
)
from tests.cycle.rounds import HOUR, some_rounds
from tests.factories import a_policy, a_snapshot, an_opinion, some_assets, some_inputs, with_block, with_feed
from tests.views.records import a_record


def ports_of(snapshot: MarketSnapshot, **changes: Any) -> Ports:
    return replace(a_keeper(FakeChain(snapshot, {}), FakePauses([FREE]), None).ports, **changes)


def observed(reading: Reading, ports: Ports) -> Any:
    return observe(
        reading, ports=ports, policy=a_policy(), read_at=None, in_flight=None, deleverage_request=None
    )


def test_new_rounds_and_the_last_round_of_each_feed_are_stored() -> None:
    rounds = some_rounds()
    snapshot = with_rounds(a_snapshot(), rounds)
    stored = FakeRounds()
    observed(Reading(snapshot, rounds), ports_of(snapshot, rounds=stored))
    new, latest = stored.extended
    assert new == rounds
    assert latest == {symbol: (history[-1],) for symbol, history in rounds.items()}


class LastInputs:
    """Records whose newest cycle had this snapshot."""

    def __init__(self, snapshot: MarketSnapshot) -> None:
        self._snapshot = snapshot

    def append(self, record: Any) -> None:
        raise AssertionError

    def last_informed(self) -> Any:
        return a_record(inputs=some_inputs(snapshot=self._snapshot), conclusions=None)


def stamped_with_the_blocks_time(snapshot: MarketSnapshot, seconds_ago: int) -> MarketSnapshot:
    """LINK's round has the time of the block, which is ``seconds_ago`` before the snapshot's."""
    timestamp = snapshot.block.timestamp - seconds_ago
    link = next(feed for feed in snapshot.feeds if feed.symbol == "LINK")
    snapshot = with_feed(snapshot, "LINK", round=replace(link.round, updated_at=timestamp))
    return with_block(snapshot, timestamp=timestamp, number=snapshot.block.number - seconds_ago // 12)


@pytest.mark.parametrize("seconds_before", [None, HOUR])
def test_a_feed_that_stamps_every_answer_with_the_blocks_time_is_not_stored(
    seconds_before: int | None,
) -> None:
    snapshot = with_rounds(a_snapshot(), some_rounds())
    ports = ports_of(snapshot, rounds=FakeRounds())
    if seconds_before is not None:
        ports = replace(ports, records=LastInputs(stamped_with_the_blocks_time(snapshot, seconds_before)))
    observed(Reading(stamped_with_the_blocks_time(snapshot, 0), {}), ports)
    _, latest = ports.rounds.extended  # type: ignore[attr-defined]
    assert ("LINK" in latest) == (seconds_before is None)
    assert "WETH" in latest


def test_only_assets_with_a_young_feed_need_other_bars() -> None:
    rounds = some_rounds()
    rounds["UNI"] = rounds["UNI"][-24:]
    snapshot = with_rounds(a_snapshot(), rounds)
    bars = FakeBars()
    observed(Reading(snapshot, rounds), ports_of(snapshot, bars=bars))
    assert bars.asked == [("UNI",)]


def test_where_every_feed_is_old_enough_no_bars_are_read() -> None:
    rounds = some_rounds()
    snapshot = with_rounds(a_snapshot(), rounds)
    bars = FakeBars()
    observed(Reading(snapshot, rounds), ports_of(snapshot, bars=bars))
    assert bars.asked == []


class FakeExchangeCandles:
    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def closes(self, symbols: Sequence[str], since: int, as_of: int) -> dict[str, tuple[Candle, ...]]:
        self.asked.append(tuple(symbols))
        candle = Candle(as_of - as_of % HOUR, HOUR, 1.0, 1.0, 1.0, 1.0)
        return {exchange_series(symbol, "kraken"): (candle,) for symbol in symbols}


def test_exchanges_candles_are_an_input_for_assets_with_a_slow_feed_only() -> None:
    rounds = some_rounds()
    rounds["LINK"] = rounds["LINK"][::8]
    snapshot = with_rounds(a_snapshot(), rounds)
    candles = FakeExchangeCandles()
    result = observed(Reading(snapshot, rounds), ports_of(snapshot, exchange_candles=candles))
    assert candles.asked == [("LINK",)]
    assert list(result.candles) == ["LINK@kraken"]
    assert [reference.symbol for reference in result.inputs.candles] == ["LINK@kraken"]


def test_where_no_feed_is_slow_no_exchange_is_asked_for_candles() -> None:
    rounds = some_rounds()
    snapshot = with_rounds(a_snapshot(), rounds)
    candles = FakeExchangeCandles()
    observed(Reading(snapshot, rounds), ports_of(snapshot, exchange_candles=candles))
    assert candles.asked == []


def test_exchanges_are_asked_for_every_token() -> None:
    asked: list[str] = []

    class FakeOpinions:
        def read(self, symbols: Any, as_of: int) -> tuple[Opinion, ...]:
            asked.extend(symbols)
            return (an_opinion("WETH", 3_000.0),)

    snapshot = a_snapshot()
    result = observed(Reading(snapshot, {}), ports_of(snapshot, opinions=FakeOpinions()))
    assert asked == [token.symbol for token in snapshot.tokens]
    assert [opinion.symbol for opinion in result.inputs.opinions] == ["WETH"]


def test_each_option_market_is_asked_once() -> None:
    assets = some_assets(implied_underlying="ETH")
    assert underlyings(a_policy(assets=assets)) == ("ETH",)
    assert underlyings(a_policy()) == ("BTC", "ETH")
    assert underlyings(a_policy(assets=some_assets(implied_underlying=None))) == ()
