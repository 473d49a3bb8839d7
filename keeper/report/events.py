"""The page's list of events: every trade, hold and liquidation of every strategy, filtered in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from typing import Any

from keeper.backtest.result import BacktestResult, Event

PAID = ("pool_fees", "slippage", "flash_premium", "gas", "liquidation")
TRADE, HELD_BACK, LIQUIDATION = "trade", "held back", "liquidation"
COLUMNS = ("time (UTC)", "strategy", "what", "why", "leverage", "turnover", "cost, USD")


def events_section(results: Sequence[BacktestResult]) -> str:
    """The controls and an empty table, which the page's script fills. The first strategy is chosen."""
    names = [result.name for result in results if result.events]
    chosen = names.index(results[0].name) if results[0].name in names else -1
    strategies = "".join(
        f"<option{' selected' if place == chosen else ''}>{escape(name)}</option>"
        for place, name in enumerate(names)
    )
    kinds = "".join(f"<option>{kind}</option>" for kind in (TRADE, HELD_BACK, LIQUIDATION))
    head = "".join(
        f"<th{' class=text' if name in ('strategy', 'what', 'why') else ''}>{name}</th>" for name in COLUMNS
    )
    return (
        '<h2>Events</h2><p class="caption">Every trade, every trade that was wanted and held back, and every '
        "liquidation, newest first. decisions.csv has those of the first strategy with all their figures.</p>"
        '<form id="filter" class="filter">'
        f'<label>strategy <select name="strategy"><option value="">all</option>{strategies}</select></label>'
        f'<label>kind <select name="kind"><option value="">all</option>{kinds}</select></label>'
        '<label>cause <select name="cause"><option value="">all</option></select></label>'
        '<label>from <input name="since" type="date"></label><label>to <input name="until" type="date"></label>'
        '<label>text <input name="text" type="search" placeholder="in the reason"></label></form>'
        f'<p class="caption" id="counted"></p><div class="scroll"><table id="events-table"><thead><tr>{head}</tr>'
        "</thead><tbody></tbody></table></div>"
    )


def events_data(results: Sequence[BacktestResult]) -> list[list[Any]]:
    """A row for each event, newest first: time, strategy, kind, cause, gate that held it, reason, leverage before and
    after, turnover, cost."""
    rows = [
        (event.time, place, result.name) for place, result in enumerate(results) for event in result.events
    ]
    events = [event for result in results for event in result.events]
    ordered = sorted(zip(rows, events, strict=True), key=lambda pair: (-pair[0][0], pair[0][1]))
    return [_row(name, event) for (_, _, name), event in ordered]


def kind_of(event: Event) -> str:
    if event.held_by:
        return HELD_BACK
    return LIQUIDATION if event.cause == LIQUIDATION else TRADE


def _row(name: str, event: Event) -> list[Any]:
    costs = asdict(event.costs)
    return [
        f"{datetime.fromtimestamp(event.time, UTC):%Y-%m-%d %H:%M}",
        name,
        kind_of(event),
        event.cause,
        event.held_by,
        event.reason,
        round(event.leverage_before, 3),
        round(event.leverage_after, 3),
        round(event.turnover, 4),
        round(sum(costs[kind] for kind in PAID), 2),
    ]
