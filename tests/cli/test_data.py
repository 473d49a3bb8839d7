"""``keeper data`` as its operator runs it, with the exchanges on a loopback port."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.cli.main import main
from keeper.devnet import history
from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.history import MarketHistory
from keeper.domain.market import Round
from keeper.journal.bars import StoredBars
from keeper.journal.rounds import StoredRounds
from keeper.journal.store import Journal
from tests.databases import fresh_database
from tests.factories import RISK_SYMBOLS

HOUR = 3_600
URL = "sqlite:///keeper.db"
Run = Callable[..., SimpleNamespace]


@pytest.fixture(scope="module")
def market() -> MarketHistory:
    return history.load(None, None)


@pytest.fixture(scope="module")
def exchanges(market: MarketHistory) -> Iterator[str]:
    with exchange_server(market, lambda: market.at + 120) as url:
        yield url


@pytest.fixture
def keeper(
    market: MarketHistory,
    exchanges: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs ``keeper data`` in an empty folder, two minutes after the market's last hour."""
    import os

    for name in [name for name in os.environ if name.startswith("KEEPER_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    for name in ("COINBASE", "KRAKEN", "BINANCE"):
        monkeypatch.setenv(f"KEEPER_{name}_URL", exchanges)
    monkeypatch.setattr("keeper.app.backfill.now", lambda *_: market.at + 120)
    monkeypatch.setattr("keeper.feeds.candle_venue.CandleVenue._take_turn", lambda _: None)

    def run(*arguments: str) -> SimpleNamespace:
        with pytest.raises(SystemExit) as ended:
            main(("data", *arguments))
        printed = capsys.readouterr()
        return SimpleNamespace(code=ended.value.code or 0, out=printed.out, err=printed.err)

    return run


def stored(symbol: str) -> list[Any]:
    with Journal.open_for_reading(URL) as journal:
        return list(StoredBars(journal).closes([symbol], 0).get(symbol, ()))


def row(printed: str, symbol: str) -> list[str]:
    (found,) = (line.split() for line in printed.splitlines() if line.startswith(f"{symbol} "))
    return found


@contextmanager
def opened() -> Iterator[Journal]:
    with Journal.open(URL) as journal:
        yield journal


def rounds_of(market: MarketHistory, symbol: str, hours: int) -> tuple[Round, ...]:
    """The newest; a round's id is its place in the whole history."""
    series = market.price(symbol)
    rounds = (
        Round((1 << 64) | number, round(price * 1e8), at)
        for number, (at, price) in enumerate(
            zip(series.times.tolist(), series.prices.tolist(), strict=True), start=1
        )
    )
    return tuple(rounds)[-hours:]


@pytest.mark.faults
@pytest.mark.parametrize("source", ["coinbase", "kraken", "binance"])
def test_an_exchanges_bars_come_into_the_journal_once(
    keeper: Run, market: MarketHistory, source: str
) -> None:
    ended = keeper("backfill", "--source", source, "--symbol", "WETH", "--days", "15")
    assert ended.code == 0
    assert row(ended.out, "WETH")[:5] == ["WETH", source, "360", "0", "0"]
    candles = stored("WETH")
    assert (len(candles), candles[-1].closed_at, candles[-1].close) == (
        360,
        market.at,
        float(market.price("WETH").prices[-1]),
    )
    again = keeper("backfill", "--source", source, "--symbol", "WETH", "--days", "15")
    assert row(again.out, "WETH")[:5] == ["WETH", source, "0", "0", "0"]


@pytest.mark.faults
def test_all_assets_are_filled_and_progress_is_on_stderr(keeper: Run) -> None:
    ended = keeper("backfill", "--source", "coinbase", "--days", "2")
    assert {symbol: row(ended.out, symbol)[2] for symbol in RISK_SYMBOLS} == dict.fromkeys(RISK_SYMBOLS, "48")
    assert "WBTC: coinbase's bars of 3600 s" in ended.err


@pytest.mark.faults
def test_what_kraken_does_not_reach_another_exchange_fills(keeper: Run) -> None:
    assert row(keeper("backfill", "--source", "kraken", "--symbol", "UNI").out, "UNI")[2] in ("719", "720")
    ended = keeper("backfill", "--source", "binance", "--symbol", "UNI")
    first = row(ended.out, "UNI")
    assert int(first[2].replace(",", "")) + 720 in (2_880, 2_881)
    assert first[4] == "0"


@pytest.mark.faults
def test_an_exchange_that_does_not_answer_is_exit_code_3(
    keeper: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPER_KRAKEN_URL", "http://127.0.0.1:9")
    ended = keeper("backfill", "--source", "kraken", "--symbol", "UNI", "--symbol", "LINK")
    assert ended.code == 3
    assert "UNI: kraken UNIUSD" in ended.out
    assert "LINK: kraken LINKUSD" in ended.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("backfill", "--source", "bitstamp"), "--source bitstamp"),
        (("backfill", "--source", "coinbase", "--symbol", "DOGE"), "DOGE"),
        (("backfill", "--source", "coinbase", "--seconds", "86400"), "86400"),
        (("backfill", "--source", "missing.csv", "--symbol", "UNI"), "missing.csv"),
        (("export", "prices.xlsx"), "prices.xlsx"),
    ],
)
def test_what_is_asked_for_wrongly_is_exit_code_2_and_starts_nothing(
    keeper: Run, tmp_path: Path, arguments: tuple[str, ...], told: str
) -> None:
    ended = keeper(*arguments)
    assert (ended.code, told in ended.err) == (2, True)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_taken_and_what_is_special_about_it_is_said(
    keeper: Run, tmp_path: Path, market: MarketHistory
) -> None:
    from datetime import UTC, datetime

    hours = [*range(5, -1, -1), 0, -1]
    rows = [
        f"{datetime.fromtimestamp(market.at - hour * HOUR, UTC):%Y-%m-%d %H:%M},{100 + hour}"
        for hour in hours
    ]
    (tmp_path / "uni.csv").write_text("time,close\n" + "\n".join(rows) + "\n")
    assert "--time open" in keeper("backfill", "--source", "uni.csv", "--symbol", "UNI").err
    ended = keeper("backfill", "--source", "uni.csv", "--symbol", "UNI", "--time", "close")
    assert ended.code == 0
    assert row(ended.out, "UNI")[:5] == ["UNI", "uni.csv", "6", "0", "0"]
    for told in ("8 rows name no time zone", "1 rows were repeated", "1 bars had not closed yet"):
        assert told in ended.err
    other = (tmp_path / "uni.csv").read_text().replace(",103", ",103.5")
    (tmp_path / "other.csv").write_text(other)
    again = keeper("backfill", "--source", "other.csv", "--symbol", "UNI", "--time", "close")
    assert row(again.out, "UNI")[2:5] == ["0", "5", "1"]
    assert [one.close for one in stored("UNI")] == [105, 104, 103, 102, 101, 100]


def test_a_file_that_contradicts_itself_leaves_the_journal_alone(keeper: Run, tmp_path: Path) -> None:
    (tmp_path / "uni.csv").write_text(
        "closed_at,close\n2022-06-09T00:00:00Z,5\n2022-06-09T01:00:00Z,6\n2022-06-09T00:00:00Z,7\n"
    )
    ended = keeper("backfill", "--source", "uni.csv", "--symbol", "UNI")
    assert ended.code == 2
    assert "line 2 and line 4" in " ".join(ended.err.split())
    assert not (tmp_path / "keeper.db").exists()


def test_check_of_an_empty_journal_names_what_is_missing(keeper: Run, tmp_path: Path) -> None:
    ended = keeper("check")
    assert ended.code == 4
    assert row(ended.out, "UNI")[:6] == ["UNI", "2,880", "0", "0", "2,880", "0"]
    assert "keeper data backfill --source rounds" in ended.out
    assert "NOT ENOUGH" in ended.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.faults
def test_check_counts_by_source_and_is_content_when_the_estimate_is(
    keeper: Run, market: MarketHistory
) -> None:
    with opened() as journal:
        rounds = StoredRounds(journal)
        for symbol in RISK_SYMBOLS:
            rounds.extend({symbol: rounds_of(market, symbol, 100 if symbol == "UNI" else 600)})
    before = keeper("check", "--days", "25", "--json")
    assert before.code == 4
    by_symbol = {one["symbol"]: one for one in json.loads(before.out)["assets"]}
    assert by_symbol["UNI"] | {"oldest": 0} == {
        "symbol": "UNI",
        "expected": 600,
        "from_rounds": 100,
        "from_candles": 0,
        "missing": 500,
        "returns": 99,
        "longest_gap": {"from": market.at - 599 * HOUR, "to": market.at - 100 * HOUR},
        "oldest": 0,
    }
    keeper("backfill", "--source", "binance", "--symbol", "UNI", "--days", "22")
    after = keeper("check", "--days", "25", "--json")
    told = json.loads(after.out)
    uni = next(one for one in told["assets"] if one["symbol"] == "UNI")
    assert (uni["from_rounds"], uni["from_candles"], uni["missing"]) == (100, 428, 72)
    assert (after.code, told["returns_together"], told["min_bars"], told["exit_code"]) == (0, 527, 504, 0)
    assert keeper("check", "--days", "25").code == 0


@pytest.mark.faults
def test_what_is_exported_says_where_each_bar_is_from_and_can_be_taken_in_again(
    keeper: Run, market: MarketHistory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with opened() as journal:
        StoredRounds(journal).extend({"UNI": rounds_of(market, "UNI", 30)})
    keeper("backfill", "--source", "coinbase", "--symbol", "UNI", "--symbol", "LINK", "--days", "2")
    assert keeper("export", "prices.csv", "--days", "2").code == 0
    with (tmp_path / "prices.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["symbol", "closed_at", "close", "source"]
    uni = [one for one in rows if one["symbol"] == "UNI"]
    assert [one["source"] for one in uni] == ["coinbase"] * 18 + ["rounds"] * 30
    assert uni[-1]["closed_at"] == "2022-06-10T00:00:00Z"
    assert len(rows) == 96
    monkeypatch.setenv("KEEPER_JOURNAL_URL", "sqlite:///other.db")
    ended = keeper("backfill", "--source", "prices.csv")
    assert (row(ended.out, "UNI")[2], row(ended.out, "LINK")[2]) == ("48", "48")


def test_the_feeds_own_rounds_are_fetched_further_back(
    keeper: Run, market: MarketHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, int]] = []

    class FakeNode:
        def read(self, known: object, history_s: int) -> Any:
            asked.append((known, history_s))
            found = {symbol: rounds_of(market, symbol, history_s // HOUR) for symbol in ("WETH", "UNI")}
            return SimpleNamespace(new_rounds=found)

    for name, value in (("RPC_URL", "http://127.0.0.1:9"), ("CHAIN_ID", "31337")):
        monkeypatch.setenv(f"KEEPER_{name}", value)
    for name in ("VAULT", "QUOTER", "SENDER"):
        monkeypatch.setenv(f"KEEPER_{name}", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
    monkeypatch.setattr("keeper.app.backfill.chain_reader", lambda *_, **__: FakeNode())
    with opened() as journal:
        StoredRounds(journal).extend({"UNI": rounds_of(market, "UNI", 24)})
        assert keeper("backfill", "--days", "2").code == 7  # the keeper runs
    ended = keeper("backfill", "--days", "2")
    assert (ended.code, asked) == (0, [({}, 2 * 86_400)])
    assert row(ended.out, "UNI")[:5] == ["UNI", "rounds", "24", "24", "0"]
    assert row(ended.out, "WETH")[:5] == ["WETH", "rounds", "48", "0", "0"]
    with opened() as journal:
        assert StoredRounds(journal).since(0)["UNI"] == rounds_of(market, "UNI", 48)


@pytest.mark.faults
def test_bars_go_into_postgresql_too(
    keeper: Run, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPER_JOURNAL_URL", fresh_database(postgres_server))
    assert (
        row(keeper("backfill", "--source", "kraken", "--symbol", "UNI", "--days", "1").out, "UNI")[2] == "24"
    )
    assert len(keeper("check", "--days", "1").out) > 0
