"""Tables hold every decision and every bar, and equal results are equal bytes."""

from __future__ import annotations

import csv
import gzip
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from keeper.backtest.comparison import sharpe_difference
from keeper.backtest.statistics import Summary, summarise
from keeper.domain.errors import BadInput
from keeper.report.picture import picture, write_picture
from keeper.report.tables import write_tables
from tests.report.results import some_results


def summaries() -> list[Summary]:
    return [summarise(result) for result in some_results()]


def test_every_decision_and_every_bar_is_there(tmp_path: Path) -> None:
    strategy = some_results()[0]
    decisions, bars, figures = write_tables(some_results(), summaries(), tmp_path)
    rows = list(csv.DictReader(decisions.read_text().splitlines()))
    assert len(rows) == len(strategy.events)
    assert rows[0]["reason"] == strategy.events[0].reason
    assert float(rows[0]["weight_after_WBTC"]) == strategy.events[0].weights_after[0]
    kept = list(csv.DictReader(gzip.decompress(bars.read_bytes()).decode().splitlines()))
    assert len(kept) == strategy.times.size
    assert float(kept[-1]["nav_usd"]) == float(f"{strategy.nav_usd[-1]:.10g}")
    kept = list(csv.DictReader(figures.read_text().splitlines()))
    assert [row["name"] for row in kept] == [result.name for result in some_results()]
    assert kept[0]["first_minus_this"] == ""
    lead = sharpe_difference(*some_results()[:2])
    assert float(kept[1]["first_minus_this"]) == lead.difference


def test_the_same_results_are_the_same_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        write_tables(some_results(), summaries(), folder)
        write_picture(some_results(), folder / "picture.svg")
    for file in one.iterdir():
        assert file.read_bytes() == (other / file.name).read_bytes(), file.name


def test_the_picture_is_svg_with_a_line_for_each_strategy_shown() -> None:
    drawn = ET.fromstring(picture(some_results()))
    lines = drawn.findall("{http://www.w3.org/2000/svg}polyline")
    assert len(lines) == 3 + 3 + 1
    texts = {text.text for text in drawn.findall("{http://www.w3.org/2000/svg}text")}
    assert {"risk parity", "equal weight", "60/40"} <= texts


def test_a_picture_of_nothing_happening_is_a_picture() -> None:
    result = some_results()[0]
    flat = replace(result, nav_usd=np.full(result.times.size, 100.0))
    assert ET.fromstring(picture([flat])) is not None


def test_a_picture_of_less_than_a_day_is_refused() -> None:
    result = some_results()[0]
    with pytest.raises(BadInput, match="day's close"):
        picture([replace(result, times=result.times * 0 + 3_600)])


def test_every_column_is_on_the_page(tmp_path: Path) -> None:
    decisions, bars, figures = write_tables(some_results(), summaries(), tmp_path)
    texts = decisions.read_text(), gzip.decompress(bars.read_bytes()).decode(), figures.read_text()
    page = (Path(__file__).parents[2] / "docs" / "backtest.md").read_text(encoding="utf-8")
    symbols = some_results()[0].symbols
    for text in texts:
        for column in text.splitlines()[0].split(","):
            symbol = next((symbol for symbol in symbols if column.endswith(f"_{symbol}")), "")
            name = f"{column.removesuffix(symbol)}SYMBOL" if symbol else column
            assert f"`{name}`" in page, column
