"""The page of a scenario, and what a scenario comes to."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from keeper.cli.scenario_screen import summary_rows
from keeper.devnet.scenario.hours import HourRecord, ScenarioResult
from keeper.devnet.scenario.page import page
from keeper.devnet.scenario.promises import promises
from keeper.devnet.scenario.saved import write_hours
from keeper.domain.record import CycleOutcome

HOUR = HourRecord(
    at=1_654_823_064,
    prices={"WETH": 2_000.0},
    feed_prices={"WETH": 1_990.0},
    base_fee_gwei=20.0,
    nav_usd=250_000.0,
    leverage=1.4,
    weights={"WETH": 1.4},
    target_leverage=1.45,
    target_volatility=0.9,
    binding="stress",
    survivable_fall=0.5,
    health_factor=2.3,
    health_after=2.3,
    lowest_health=2.2,
    action="HOLD",
    urgency="ROUTINE",
    outcome=CycleOutcome.HELD,
    reason="HOLD: nothing <b>to do</b>.",
    error="",
    exit_code=0,
    leverage_after=None,
    gas_usd=0.0,
    fees_usd=0.0,
    impact_usd=0.0,
    flash_usd=0.0,
    answers=4,
    swaps=12,
    liquidated=(),
    wrong_feeds=(),
    missing=(),
    pauses=(),
    seconds=0.5,
)
SENT = replace(
    HOUR, outcome=CycleOutcome.SENT, leverage=1.2, leverage_after=1.4, gas_usd=30.0, fees_usd=100.0
)


def result_of(*hours: HourRecord) -> ScenarioResult:
    dated = tuple(replace(hour, at=hour.at + 3_600 * place) for place, hour in enumerate(hours))
    return ScenarioResult(
        name="scenario",
        title="Somebody's <title>",
        begins=dated[0].at - 3_624,
        ends=dated[-1].at - 24,
        step_s=3_600,
        symbols=("WETH", "USDC"),
        target_policy=0.8,
        act_health_factor=1.2,
        hours=dated,
        vault="the vault",
        refused_liquidations=0,
        first_nav_usd=250_000.0,
        last_nav_usd=240_000.0,
        left_out=("UNI: too young",),
        notes=("a note",),
    )


def test_the_page_has_every_cycle_and_fetches_nothing() -> None:
    result = result_of(SENT, HOUR, replace(HOUR, error="NothingFeasible", outcome=CycleOutcome.FAILED))
    text = page(result, summary_rows(result))
    fetched: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            fetched.extend(str(value) for name, value in attrs if name in ("src", "href"))

    Reader().feed(text)
    assert fetched == []
    assert text.count("<tr><td>2022-06-10") == 3
    assert "nothing &lt;b&gt;to do&lt;/b&gt;" in text
    assert "Somebody&#x27;s &lt;title&gt;" in text
    assert text.count("<svg") == 5


def test_costs_are_of_the_transactions_and_volatility_is_of_nav_after_the_first() -> None:
    navs = (250_000.0, 250_000.0, 252_500.0, 247_500.0)
    result = result_of(
        *(replace(SENT if place == 0 else HOUR, nav_usd=nav) for place, nav in enumerate(navs))
    )
    moves = (math.log(252.5 / 250), math.log(247.5 / 252.5))
    expected = math.sqrt(sum(move**2 for move in moves) / 2 * 8_760)
    assert result.realised_volatility == pytest.approx(expected)
    rows = dict(summary_rows(result))
    assert rows["costs"] == "pool fees $100.00, impact $0.00, flash premium $0.00, gas $30.00"
    assert rows["bound on leverage"] == "stress 3"


def test_a_broken_promise_says_when_and_what() -> None:
    bad = replace(SENT, wrong_feeds=("LINK",), liquidated=("the vault", "somebody"), health_after=1.1)
    liquidated, lever_up, low = promises(result_of(HOUR, bad))
    assert liquidated.broken == ("2022-06-10 02:04: the vault was liquidated",)
    assert lever_up.broken == (
        "2022-06-10 02:04: leverage from 1.200 to 1.400 while the feed of LINK is wrong",
    )
    assert low.broken[0].startswith(
        "2022-06-10 02:04: health factor 1.100 after the keeper's own transaction"
    )
    assert all(each.kept for each in promises(result_of(HOUR, SENT)))


def test_a_transaction_that_lowers_leverage_on_bad_data_breaks_nothing() -> None:
    lowered = replace(SENT, leverage=1.5, leverage_after=1.4, wrong_feeds=("LINK",), missing=("feed:LINK",))
    assert all(each.kept for each in promises(result_of(HOUR, lowered)))


def test_hours_are_kept_as_lines_of_json_without_infinity(tmp_path: Path) -> None:
    file = tmp_path / "hours.jsonl"
    write_hours(result_of(replace(HOUR, health_factor=math.inf), SENT), file)
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert first["health_factor"] is None
    assert first["outcome"] == "HELD"
    assert second["leverage_after"] == 1.4
