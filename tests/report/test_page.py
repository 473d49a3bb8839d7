"""The page holds everything it needs, says what the result says, and a real browser draws it."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from keeper.backtest.comparison import SharpeDifference
from keeper.backtest.statistics import summarise
from keeper.report.colours import QUIET, STRATEGY
from keeper.report.events import events_data
from keeper.report.figures import figures
from keeper.report.page import page, write_page
from keeper.report.summary_tables import cost_table
from tests.report.results import some_results

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def document() -> str:
    results = some_results()
    return page(results, [summarise(result) for result in results])


class Outside(HTMLParser):
    """Everything that the page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in ("src", "href", "srcset")]


def embedded(document: str) -> list[dict[str, object]]:
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', document, re.S)
    assert found is not None
    parsed: list[dict[str, object]] = json.loads(found.group(1))
    return parsed


@pytest.mark.slow
def test_the_page_fetches_nothing(document: str) -> None:
    outside = Outside()
    outside.feed(document.split("<script>")[0])
    assert outside.found == []


def test_every_figure_has_its_place_and_its_data(document: str) -> None:
    drawn = embedded(document)
    names = [figure["name"] for figure in drawn]
    assert names == ["equity", "leverage", "volatility", "health", "weights", "risk", "costs", "correlations"]
    for name in names:
        assert f'id="{name}"' in document
    assert all(figure["traces"] for figure in drawn)


def test_the_list_of_events_has_those_of_every_strategy_and_holding() -> None:
    rows = events_data(some_results())
    assert len(rows) == sum(len(result.events) for result in some_results())
    assert [row[0] for row in rows] == sorted((row[0] for row in rows), reverse=True)
    mixed = [row for row in rows if row[1] == "60/40"]
    assert [row[3] for row in mixed] == ["month", "first purchase"]
    held = [row for row in rows if row[4]]
    assert held
    assert all(row[2] == "held back" for row in held)


def test_the_controls_offer_every_strategy_that_has_events(document: str) -> None:
    for name in ("risk parity", "equal weight", "60/40"):
        assert re.search(rf"<option( selected)?>{name}</option>", document)


def test_differences_are_bars_with_twice_their_errors_and_those_of_luck_are_grey() -> None:
    unknown = SharpeDifference("held", 0.1, math.nan)
    lucky, sure = SharpeDifference("one", 0.05, 0.04), SharpeDifference("other", 0.2, 0.05)
    names = {figure.name: figure for figure in figures(some_results(), (unknown, lucky, sure))}
    (bars,) = names["differences"].traces
    assert bars["y"] == ["one", "other"]
    assert bars["error_x"]["array"] == [0.08, 0.1]
    assert bars["marker"]["color"] == [QUIET, STRATEGY]
    assert "differences" not in {figure.name for figure in figures(some_results(), (unknown,))}


def test_trades_are_marked_on_the_growth_of_a_dollar() -> None:
    strategy = some_results()[0]
    trades = next(trace for trace in figures(some_results())[0].traces if trace["name"] == "trades")
    made = [event for event in strategy.events if not event.held_by]
    assert len(trades["x"]) == len(made)
    at = int(np.searchsorted(strategy.times, made[-1].time))
    assert trades["y"][-1] == pytest.approx(strategy.nav_usd[at] / strategy.nav_usd[0], rel=1e-4)


def test_costs_by_kind_add_up_to_the_headline() -> None:
    for result in some_results():
        summary = summarise(result)
        cells = re.search(rf"<td>{result.name}</td>(.*?)</tr>", cost_table([result]))
        assert cells is not None
        together = float(re.findall(r"<td>([^<]*)</td>", cells[1])[-1])
        assert together == pytest.approx(summary.cost_bps + summary.interest_bps, abs=0.06)


def test_an_asset_without_lows_is_named_under_the_headline() -> None:
    results = some_results()
    document = page([replace(results[0], at_closes=("UNI",))], [summarise(results[0])])
    assert "UNI checked at closes" in document


def test_the_headline_names_every_strategy(document: str) -> None:
    for result in some_results():
        assert f"<td>{result.name}</td>" in document


def test_reasons_cannot_become_markup() -> None:
    results = some_results()
    event = replace(results[0].events[0], reason="</script><img src=x onerror=alert(1)>")
    hostile = replace(results[0], events=(event,), notes=("<b>note</b>",))
    document = page([hostile, *results[1:]], [summarise(result) for result in results])
    assert "<img src=x" not in document
    assert "<b>note</b>" not in document
    assert embedded(document)


def test_trades_are_marked_with_their_reason() -> None:
    results = some_results()
    leverage = figures(results)[1]
    marks = {trace["name"]: trace for trace in leverage.traces if trace["mode"] == "markers"}
    made = [event for event in results[0].events if not event.held_by]
    assert sum(len(trace["x"]) for name, trace in marks.items() if name.startswith("trade")) == len(made)
    assert marks["wanted, held back"]["visible"] == "legendonly"
    assert any("risk" in text for trace in marks.values() for text in trace["text"])


def test_a_strategy_without_debt_is_drawn_at_the_top_of_the_health_factors() -> None:
    result = some_results()[0]
    calm = replace(result, low_health_factor=np.full(result.times.size, np.inf))
    health = figures([calm])[3]
    assert set(health.traces[0]["y"]) == {6.0}


def test_a_bound_of_one_day_is_a_line_and_not_a_point() -> None:
    result = some_results()[0]
    binding = np.zeros(result.times.size, dtype=np.int16)
    midday = int(np.flatnonzero(result.times % 86_400 == 0)[5])
    binding[midday] = 1
    names = ("target_volatility", "stress")
    target = np.ones(result.times.size)
    drawn = figures([replace(result, binding=binding, binding_names=names, target_leverage=target)])[1]
    stress = next(trace for trace in drawn.traces if trace["name"] == "target, bound by stress")
    assert [place for place, value in enumerate(stress["y"]) if value is not None] == [5, 6]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed to draw the page")
def test_a_real_browser_draws_every_figure_without_error(tmp_path: Path) -> None:
    results = some_results()
    file = write_page(results, [summarise(result) for result in results], tmp_path)
    drawn = subprocess.run(
        [
            *(
                str(CHROMIUM),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
                "--disable-sync",
            ),
            *("--disable-background-networking", "--disable-component-update", "--enable-logging=stderr"),
            *(
                "--virtual-time-budget=10000",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--dump-dom",
                str(file),
            ),
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert 'data-drawn="8"' in drawn.stdout
    assert drawn.stdout.count('class="main-svg"') >= 8
    made = sum(len(result.events) for result in results if result.name == "risk parity")
    assert drawn.stdout.count('<td class="reason">') == min(made, 500)
    assert "CONSOLE" not in drawn.stderr
    assert 'data-title="Share chart' not in drawn.stdout, "a button that uploads the figure"
