"""A cycle whose feeds are younger than the estimate looks back: other sources' bars, and the same bits on replay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.cycle.pipeline import price_bars
from keeper.cycle.ports import Ports, Reading
from keeper.cycle.replay import replay
from keeper.cycle.run import Keeper
from keeper.domain.errors import NodeUnavailable
from keeper.domain.market import MarketSnapshot, Round
from keeper.domain.pause_state import PauseState
from keeper.domain.prices import Candle
from keeper.domain.record import DecisionRecord, Mode
from keeper.journal.acceptances import StoredAcceptances
from keeper.journal.bars import StoredBars
from keeper.journal.fills import StoredFills
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from tests.cycle.rounds import some_rounds
from tests.factories import NOW, RISK_SYMBOLS, a_policy, a_reading, a_snapshot

HOUR = 3_600
YOUNG = 20 * 24
"""Hours for which the youngest feed has been there: fewer than estimate.min_bars."""


class FakeChain:
    """Reads one snapshot; gives no quotes."""

    round_trips = 0
    nodes = ()
    quorum = 1

    def __init__(self, snapshot: MarketSnapshot, rounds: Mapping[str, tuple[Round, ...]]) -> None:
        self.reading = Reading(snapshot, rounds)

    def read(self, known: Mapping[str, int], history_s: int) -> Reading:
        return self.reading

    def quote(self, *_: Any) -> Any:
        raise NodeUnavailable("no quotes here", remedy="")

    def forget_notes(self) -> None:
        """There are none."""


class FakeWorld:
    """Implied volatility, brakes and clock."""

    def read(self, *_: Any) -> Any:
        return (a_reading("BTC", 0.48), a_reading("ETH", 0.55))

    def pause_state(self, as_of: int) -> PauseState | None:
        return None

    def now(self) -> float:
        return float(NOW)

    def monotonic(self) -> float:
        return 0.0


def rounds_of_a_young_feed() -> dict[str, tuple[Round, ...]]:
    return {
        symbol: rounds[-YOUNG:] if symbol == "UNI" else rounds for symbol, rounds in some_rounds().items()
    }


def candles_of(symbol: str, factor: float = 1.003) -> tuple[Candle, ...]:
    """What another source says of the same hours, a little off; rounds of the first hour have no bar there."""
    return tuple(
        Candle(one.updated_at, HOUR, *[one.answer / 1e8 * factor] * 4) for one in some_rounds()[symbol][2:]
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}") as opened:
        yield opened


def keeper_of(journal: Journal) -> Keeper:
    rounds = rounds_of_a_young_feed()
    snapshot = a_snapshot(weights=(0.0, 0.0, 0.0, 0.0))
    feeds = [
        replace(feed, round=rounds[feed.symbol][-1]) if feed.symbol in rounds else feed
        for feed in snapshot.feeds
    ]
    world: Any = FakeWorld()
    chain: Any = FakeChain(replace(snapshot, feeds=tuple(feeds)), rounds)
    return Keeper(
        policy=a_policy(),
        ports=Ports(
            chain=chain,
            rounds=StoredRounds(journal),
            bars=StoredBars(journal),
            implied=world,
            opinions=None,
            exchange_candles=None,
            executed_swaps=StoredFills(journal),
            pause_store=world,
            records=StoredRecords(journal),
            acceptances=StoredAcceptances(journal, lambda: 0.0),
            sender=None,
            clock=world,
        ),
        code_version="0",
        settings_hash="",
        relays=False,
        compares_clocks=False,
    )


def replayed(journal: Journal, record: DecisionRecord) -> tuple[str, ...]:
    stored = StoredRecords(journal).record(record.record_id)
    return replay(stored, StoredRounds(journal).since(0), StoredBars(journal)).differences


@pytest.mark.slow
def test_without_other_sources_a_young_feed_has_no_estimate(journal: Journal) -> None:
    record = keeper_of(journal).cycle(Mode.DRY_RUN)
    assert record.failure is not None
    assert record.failure.name == "NoEstimate"
    assert record.inputs is not None
    assert record.inputs.candles == ()


@pytest.mark.slow
def test_with_them_it_has_one_and_the_record_refers_to_what_was_used(journal: Journal) -> None:
    for symbol in RISK_SYMBOLS:
        StoredBars(journal).add(symbol, "coinbase", candles_of(symbol))
    record = keeper_of(journal).cycle(Mode.DRY_RUN)
    assert record.conclusions is not None
    assert record.inputs is not None
    (reference,) = record.inputs.candles
    assert (reference.symbol, reference.until) == ("UNI", some_rounds()["UNI"][-1].updated_at)
    assert record.conclusions.model.assets[3].bars > 2_800
    assert replayed(journal, record) == ()


@pytest.mark.slow
def test_bars_that_came_later_change_nothing_on_replay(journal: Journal) -> None:
    stored, candles = StoredBars(journal), candles_of("UNI")
    stored.add("UNI", "coinbase", candles[1_000:1_500])
    stored.add("UNI", "coinbase", candles[200:900])
    record = keeper_of(journal).cycle(Mode.DRY_RUN)
    assert record.conclusions is not None
    stored.add("UNI", "kraken", candles_of("UNI", 0.99))
    stored.add("UNI", "kraken", [replace(one, seconds=60) for one in candles_of("UNI", 0.98)])
    assert replayed(journal, record) == ()


def test_a_bar_that_was_changed_is_named_instead_of_replayed(journal: Journal) -> None:
    from sqlalchemy import text

    StoredBars(journal).add("UNI", "coinbase", candles_of("UNI"))
    record = keeper_of(journal).cycle(Mode.DRY_RUN)
    with journal.appending("nothing") as entry:
        entry.connection.execute(text(f"UPDATE bars SET close = 4.5 WHERE closed_at = {NOW - 2_000 * HOUR}"))
    assert replayed(journal, record) == ("candles.UNI: the journal's bars are not those that were used",)


def test_a_record_with_bars_is_not_replayed_without_them(journal: Journal) -> None:
    StoredBars(journal).add("UNI", "coinbase", candles_of("UNI"))
    record = keeper_of(journal).cycle(Mode.DRY_RUN)
    (difference,) = replay(record, StoredRounds(journal).since(0)).differences
    assert difference.startswith("candles.UNI")


@pytest.mark.slow
def test_feeds_that_reach_back_far_enough_are_not_mixed_with_anything(journal: Journal) -> None:
    snapshot, policy, rounds = a_snapshot(), a_policy(), some_rounds()
    candles = {symbol: candles_of(symbol, 2.0) for symbol in RISK_SYMBOLS}
    alone, offered = (price_bars(rounds, snapshot, policy, given) for given in (None, candles))
    assert alone.closes.tobytes() == offered.closes.tobytes()
