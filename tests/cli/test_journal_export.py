"""``keeper journal export`` of a journal with a held, a failed and a traded cycle."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.cli.main import main
from keeper.domain.market import Round, Trust
from keeper.domain.record import Mode
from keeper.domain.units import USD
from keeper.journal.attempts import StoredAttempts
from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from keeper.views.exported import ATTEMPT_COLUMNS, COST_COLUMNS, SWAP_COLUMNS
from tests.assistant.journals import mined
from tests.cycle.decided_records import a_decided_record
from tests.factories import NOW, a_feed, an_executed_swap
from tests.views.records import a_failure, a_record

DAY = 86_400
HELD = replace(a_decided_record(1).record, record_id="1" * 32)
FAILED = replace(
    a_record(mode=Mode.LIVE, inputs=None, conclusions=None, failure=a_failure(), exit_code=3),
    record_id="2" * 32,
    started_at=float(NOW + DAY),
)
TRADED = replace(
    a_record(mode=Mode.LIVE, executed_swaps=(an_executed_swap(at=NOW + 2 * DAY),)),
    record_id="3" * 32,
    started_at=float(NOW + 2 * DAY),
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}") as journal:
        stored = StoredRecords(journal)
        for record in (HELD, FAILED, TRADED):
            stored.append(record)
    return tmp_path


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(("journal", "export", *arguments))
    return caught.value.code if isinstance(caught.value.code, int) else 0


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))


def test_each_record_is_a_row_oldest_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("out.csv") == 0
    assert "3 rows in out.csv" in capsys.readouterr().out
    held, failed, traded = rows(folder / "out.csv")
    assert [row["record_id"][0] for row in (held, failed, traded)] == ["1", "2", "3"]
    assert HELD.inputs is not None
    assert float(held["nav_usd"]) == HELD.inputs.held.nav_usd
    assert float(held["weight_WETH"]) == HELD.inputs.held.weights[1]
    assert (held["action"], held["triggers"], held["receipt_tx_hash"]) == ("HOLD", "", "")
    assert (failed["exit_code"], failed["nav_usd"], failed["weight_WETH"]) == ("3", "", "")
    assert (traded["triggers"], traded["plan_cost_usd_total"]) == ("risk_share", "934.7")
    assert traded["health_factor"] == "", "infinite without debt"


def test_the_days_that_are_asked_for_are_written(folder: Path) -> None:
    day = "2023-06-16"  # the day after that of NOW
    assert run("out.csv", "--from", day, "--to", day) == 0
    assert [row["record_id"][0] for row in rows(folder / "out.csv")] == ["2"]


def test_executed_swaps_are_a_table_of_their_own(folder: Path) -> None:
    assert run("out.csv", "--swaps") == 0
    (swap,) = rows(folder / "out.csv")
    assert tuple(swap) == SWAP_COLUMNS
    assert (swap["sold"], swap["bought"], swap["route"]) == ("USDC", "WETH", "USDC WETH")
    assert float(swap["realised_bps"]) == pytest.approx(11.0)
    assert swap["realised_out"] == str(an_executed_swap().realised_out)


def test_signed_transactions_are_a_table_of_their_own(folder: Path) -> None:
    with Journal.open(f"sqlite:///{folder / 'keeper.db'}") as journal:
        mined(StoredAttempts(journal, lambda: NOW + 5.0), "reverted", nonce=7, gas=21_000, succeeded=False)
    assert run("out.csv", "--attempts") == 0
    (attempt,) = rows(folder / "out.csv")
    assert tuple(attempt) == ATTEMPT_COLUMNS
    assert (attempt["kind"], attempt["status"], attempt["succeeded"]) == ("CALL", "REVERTED", "False")
    assert (attempt["decided_at"], attempt["signed_at"]) == (str(NOW), str(NOW + 5))
    assert float(attempt["cost_eth"]) == pytest.approx(0.000021)
    assert attempt["nav_before_usd"] == ""


def test_the_costs_of_each_day_are_a_table_of_their_own(folder: Path) -> None:
    assert run("out.csv", "--costs") == 0
    (day,) = rows(folder / "out.csv")
    assert tuple(day) == COST_COLUMNS
    assert [float(day[name]) for name in ("fees_usd", "slippage_usd")] == pytest.approx([5.0, 6.0])
    assert int(day["until"]) - int(day["since"]) == DAY


def test_one_file_holds_one_table(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("out.csv", "--swaps", "--costs") == 2
    assert "--swaps and --costs exclude each other" in capsys.readouterr().err
    assert not (folder / "out.csv").exists()


@pytest.mark.slow
def test_parquet_has_the_same_table(folder: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    assert run("out.parquet") == 0
    frame = pandas.read_parquet(folder / "out.parquet")
    assert list(frame["record_id"].str[0]) == ["1", "2", "3"]
    assert frame["nav_usd"].notna().tolist() == [True, False, True]
    for option in ("--swaps", "--costs"):
        assert run("out.parquet", option) == 0
        assert len(pandas.read_parquet(folder / "out.parquet")) == 1


@pytest.mark.parametrize(
    ("file", "why"), [("out.xlsx", "neither .csv nor .parquet"), ("no/where.csv", "cannot be written")]
)
def test_a_file_that_cannot_be_written_is_refused(
    file: str, why: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(file) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("age_s", "trust", "usd"),
    [(60, Trust.FRESH, 2_345.0), (60, Trust.SUSPECT, None), (7_200, Trust.FRESH, None)],
)
def test_gas_costs_what_the_native_coin_was_worth_in_the_newest_cycle_before(
    folder: Path, age_s: int, trust: Trust, usd: float | None
) -> None:
    """Of any cycle. A round of the vault's WETH counts only where no cycle read the coin."""
    inputs = TRADED.inputs
    assert inputs is not None
    read = replace(inputs.snapshot.block, timestamp=NOW - age_s)
    coin = a_feed("WETH", round=Round(1, 2_345 * USD, NOW - age_s), trust=trust)
    snapshot = replace(inputs.snapshot, block=read, native_coin=coin)
    held = replace(
        TRADED,
        record_id="4" * 32,
        started_at=NOW - age_s,
        inputs=replace(inputs, snapshot=snapshot),
        executed_swaps=(),
    )
    with Journal.open(f"sqlite:///{folder / 'keeper.db'}") as journal:
        StoredRecords(journal).append(held)
        mined(StoredAttempts(journal, lambda: NOW + 5.0), "reverted", nonce=7, gas=21_000, succeeded=False)
    assert run("out.csv", "--costs") == 0
    paid = next(day for day in rows(folder / "out.csv") if float(day["gas_eth"]))
    if usd is None:
        assert paid["gas_usd"] == ""
    else:
        assert float(paid["gas_usd"]) == pytest.approx(0.000021 * usd)
