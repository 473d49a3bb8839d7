"""Cycles whose feeds are slow keep the exchanges' candles up to date, and name what a dead exchange no longer gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keeper.app.assembly import exchange_candles
from keeper.cycle.replay import replay
from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.history import load as load_history
from keeper.domain.information import Fact
from keeper.domain.market import Round
from keeper.domain.record import DecisionRecord, Mode
from keeper.domain.units import USD
from keeper.journal.bars import StoredBars
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from keeper.settings.load import load
from tests.cycle.fakes import FREE, FakeChain, FakePauses, a_keeper, with_rounds
from tests.factories import HOUR, RISK_SYMBOLS, a_policy, a_snapshot, some_assets, with_block
from tests.servers.http_faults import HttpFaults, http_faults

pytestmark = pytest.mark.faults  # a server on this machine answers as the exchanges do

HISTORY = load_history(None, None)
BEGIN = HISTORY.at - 24 * HOUR
NAMES = ("coinbase", "kraken", "binance")
POLICY = a_policy(assets=some_assets(implied_underlying=None))
EACH = [Fact(f"candles:{symbol}", 3.0) for symbol in RISK_SYMBOLS]


class SlowWorld:
    """A vault whose feeds publish every eighth hour, exchanges behind proxies, and a journal.

    ``cycle`` is one of a keeper that was just started, ``hours`` after BEGIN."""

    def __init__(self, journal: Journal, proxies: dict[str, HttpFaults], deadline_s: float = 10.0) -> None:
        self.journal = journal
        self.proxies = proxies
        self.deadline_s = deadline_s
        self.stored = StoredBars(journal)

    def cycle(self, hours: int = 0, *, keeps: bool = True) -> DecisionRecord:
        now = BEGIN + hours * HOUR + 120
        rounds = {symbol: _rounds(symbol, now) for symbol in RISK_SYMBOLS}
        snapshot = with_block(with_rounds(a_snapshot(), rounds), timestamp=now)
        keeper = a_keeper(FakeChain(snapshot, {}), FakePauses([FREE]), None)
        StoredRounds(self.journal).extend(rounds)
        with exchange_candles(load(), self.stored, POLICY, keeps=keeps) as candles:
            assert candles is not None
            ports = replace(
                keeper.ports,
                rounds=StoredRounds(self.journal),
                bars=self.stored,
                records=StoredRecords(self.journal),
                exchange_candles=replace(candles, deadline_s=self.deadline_s),
            )
            return replace(keeper, ports=ports, policy=POLICY).cycle(Mode.DRY_RUN)

    def asked(self, name: str) -> int:
        return len(self.proxies[name].asked)

    def newest(self, series: str) -> int | None:
        span = self.stored.span(series)
        return None if span is None else (span[1] - BEGIN) // HOUR


def _rounds(symbol: str, now: int) -> tuple[Round, ...]:
    series = HISTORY.price(symbol)
    return tuple(
        Round((1 << 64) | (time // HOUR), round(price * USD), time)
        for time, price in zip(series.times.tolist(), series.prices.tolist(), strict=True)
        if now - 121 * 24 * HOUR < time <= now and time // HOUR % 8 == BEGIN // HOUR % 8
    )


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowWorld]:
    (tmp_path / "keeper.toml").write_text((Path(__file__).parents[2] / "keeper.toml").read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("keeper.feeds.candle_venue.CandleVenue._take_turn", lambda _: None)
    with ExitStack() as stack:
        url = stack.enter_context(exchange_server(HISTORY, lambda: HISTORY.at))
        proxies = {name: stack.enter_context(http_faults(url)) for name in NAMES}
        for name, proxy in proxies.items():
            monkeypatch.setenv(f"KEEPER_{name.upper()}_URL", proxy.url)
        journal = stack.enter_context(Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}"))
        yield SlowWorld(journal, proxies)


def facts(record: DecisionRecord) -> list[Fact]:
    assert record.conclusions is not None, record.summary
    look = record.information.look
    assert look is not None, record.conclusions.target.missing
    return [fact for fact in look.facts if fact.name.startswith("candles:")]


def missing(record: DecisionRecord) -> set[str]:
    assert record.conclusions is not None, record.summary
    return set(record.conclusions.target.missing)


def test_a_cycle_fetches_the_candles_that_slow_feeds_need_and_replays(world: SlowWorld) -> None:
    record = world.cycle()
    assert facts(record) == EACH
    assert record.inputs is not None
    assert {reference.symbol for reference in record.inputs.candles} == {
        f"{symbol}@{name}" for symbol in RISK_SYMBOLS for name in NAMES
    }
    assert replay(record, StoredRounds(world.journal).since(0), world.stored).differences == ()


def test_known_candles_are_not_asked_for_again_and_new_ones_are(world: SlowWorld) -> None:
    world.cycle()
    before = {name: world.asked(name) for name in NAMES}
    assert facts(world.cycle()) == EACH
    assert {name: world.asked(name) for name in NAMES} == before
    assert facts(world.cycle(hours=2)) == EACH
    assert world.asked("coinbase") == before["coinbase"] + len(RISK_SYMBOLS)
    assert world.asked("kraken") <= before["kraken"] + 2 * len(RISK_SYMBOLS)  # it may have older ones by now
    assert world.newest("UNI@binance") == 2


def test_a_dead_exchange_is_missed_by_name_and_never_raises_leverage(world: SlowWorld) -> None:
    informed = world.cycle()
    assert missing(informed) == set()
    world.proxies["coinbase"].fault("drop", count=-1)
    assert missing(world.cycle(hours=1)) == set()
    lost = world.cycle(hours=4)
    assert {name for name in missing(lost) if name.startswith("candles:")} == {
        f"candles:{symbol}" for symbol in RISK_SYMBOLS
    }
    assert world.newest("WETH@coinbase") == 0
    assert world.newest("WETH@kraken") == 4
    assert informed.conclusions is not None
    assert lost.conclusions is not None
    assert lost.conclusions.target.leverage <= informed.conclusions.target.leverage
    world.proxies["coinbase"].heal()
    assert missing(world.cycle(hours=5)) == set()


def test_what_a_slow_exchange_gave_in_time_counts_and_the_cycle_does_not_wait_for_it(
    world: SlowWorld,
) -> None:
    held = world.proxies["kraken"].fault("delay", "UNI", count=-1)
    world.deadline_s = 2.0
    record = world.cycle()
    assert {fact.name: fact.amount for fact in facts(record)}["candles:UNI"] == 2.0
    assert world.newest("UNI@kraken") is None
    held.released.set()


@pytest.mark.parametrize("how", ["garble", "truncate", "status"])
def test_an_exchange_that_answers_nonsense_is_no_error(world: SlowWorld, how: str) -> None:
    world.proxies["binance"].fault(how, count=-1)
    assert {fact.amount for fact in facts(world.cycle())} == {2.0}


def scaled(factor: Callable[[int], float]) -> Any:
    """Every price in Coinbase's candles times ``factor`` of its place in the answer."""

    def change(answer: Any) -> Any:
        return [[row[0], *(price * factor(n) for price in row[1:5]), row[5]] for n, row in enumerate(answer)]

    return change


def test_an_exchange_far_from_the_feed_is_left_out(world: SlowWorld) -> None:
    world.proxies["coinbase"].lie(scaled(lambda n: 1.5 if n % 2 else 1.0))
    lied = world.cycle()
    assert {fact.amount for fact in facts(lied)} == {2.0}
    assert lied.conclusions is not None
    assert lied.conclusions.model.assets[0].blended < 0.5


def test_exchanges_that_contradict_each_other_hold_risk_down(world: SlowWorld) -> None:
    world.proxies["coinbase"].lie(scaled(lambda n: 1.01 if n % 2 else 1.0))
    lied = world.cycle()
    assert {f"candles:{symbol}" for symbol in RISK_SYMBOLS} <= missing(lied)
    assert lied.conclusions is not None
    assert lied.conclusions.model.assets[0].blended > 1.0
    assert lied.information.look is None


def test_a_keeper_that_only_reads_the_journal_uses_the_new_candles_and_stores_none(world: SlowWorld) -> None:
    assert facts(world.cycle(keeps=False)) == EACH
    assert world.newest("WETH@kraken") is None
