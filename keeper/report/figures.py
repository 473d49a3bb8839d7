"""The page's figures, as plain data for plotly.js."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.comparison import ERRORS, SharpeDifference
from keeper.backtest.result import BacktestResult, Event
from keeper.backtest.statistics import budgets_due
from keeper.report.colours import ALARM, ASSETS, BENCHMARKS, KINDS, QUIET, STRATEGY, TRADES, cycled
from keeper.report.daily import DAYS_ROLLED, Daily, daily

HIGHEST_HEALTH_FACTOR = 6.0
KIND_NAMES = (
    "pool fees",
    "slippage",
    "flash premium",
    "gas",
    "borrow interest",
    "interest earned",
    "liquidation",
)
"""Of the fields of ``Costs``, in their order."""

GROWTH_TICKS = (0.1, 0.3, 1, 3, 10, 30, 100, 300)
INK = "ink"
"""The page draws it in the colour of its text."""
Trace = dict[str, Any]
FILLED: Trace = {"fill": "tozeroy", "fillcolor": "rgba(0, 114, 178, 0.15)"}


@dataclass(frozen=True, slots=True)
class Figure:
    """``caption`` says what to look at; ``height`` in pixels."""

    name: str
    title: str
    caption: str
    traces: tuple[Trace, ...]
    layout: dict[str, Any]
    height: int = 380


def figures(
    results: Sequence[BacktestResult], differences: Sequence[SharpeDifference] = ()
) -> tuple[Figure, ...]:
    """In reading order. The first result is the strategy; ``differences`` are of its Sharpe ratio from the others."""
    strategy, days = results[0], [daily(result) for result in results]
    return (
        _equity(results, days),
        *_differences(strategy, differences),
        _leverage(strategy, days[0]),
        _volatility(strategy, days[0]),
        _health_factor(strategy, days[0]),
        _weights(strategy, days[0]),
        _risk_shares(strategy, days[0]),
        _costs(days[0]),
        _correlations(days[0]),
    )


def _equity(results: Sequence[BacktestResult], days: Sequence[Daily]) -> Figure:
    traces: list[Trace] = []
    for place, (result, day) in enumerate(zip(results, days, strict=True)):
        first, name = place == 0, result.name
        colour = STRATEGY if first else cycled(BENCHMARKS, place - 1)
        growth = _line(day, day.equity, name, colour=colour, width=2.6 if first else 1.2) | {
            "legendgroup": name
        }
        below = {"y": _rounded(-100.0 * day.drawdown), "yaxis": "y2", "showlegend": False}
        traces += [growth, growth | below | (FILLED if first else {})]
    # Draw the strategy last, so that no line covers it.
    traces = [*traces[2:], *traces[:2], *_on_equity(results[0])]
    return Figure(
        "equity",
        "Growth of one dollar, and drawdown",
        "Net of every cost. Marks are the strategy's trades. Click a name to hide it, double-click to see it alone.",
        traces=tuple(traces),
        layout={
            "yaxis": {
                "type": "log",
                "domain": [0.38, 1],
                "tickvals": GROWTH_TICKS,
                "ticktext": [f"×{tick:g}" for tick in GROWTH_TICKS],
            },
            "yaxis2": {"domain": [0, 0.32], "ticksuffix": " %"},
            # Markers would make it wider than the other figures.
            "xaxis": {"anchor": "y2", **_first_to_last(days[0])},
            "hovermode": "x unified",
        },
        height=620,
    )


def _on_equity(result: BacktestResult) -> list[Trace]:
    """Its trades and liquidations at what a dollar was worth then."""
    made = [event for event in result.events if not event.held_by]
    kinds = (
        ("trades", [event for event in made if event.cause != "liquidation"], "circle-open", TRADES[0]),
        ("liquidations", [event for event in made if event.cause == "liquidation"], "x", ALARM),
    )
    traces = []
    for name, events, symbol, colour in kinds:
        if events:
            places = np.searchsorted(result.times, [event.time for event in events])
            worth = result.nav_usd[places] / result.nav_usd[0]
            traces.append(_marks(events, name, colour=colour, heights=worth) | {"legendgroup": result.name})
            traces[-1]["marker"] |= {"symbol": symbol, "size": 9 if symbol == "x" else 4}
    return traces


def _differences(strategy: BacktestResult, differences: Sequence[SharpeDifference]) -> tuple[Figure, ...]:
    """Bars with twice their errors; nothing where no error could be measured."""
    known = [difference for difference in differences if math.isfinite(difference.error)]
    if not known:
        return ()
    trace: Trace = {
        "type": "bar",
        "orientation": "h",
        "name": "difference",
        "showlegend": False,
        "y": [difference.other for difference in known],
        "x": _rounded(np.array([difference.difference for difference in known])),
        "text": [difference.verdict for difference in known],
        "textposition": "none",
        "hovertemplate": "%{y}: %{x:+.3f}, %{text}<extra></extra>",
        "marker": {
            "color": [QUIET if difference.verdict == "no difference" else STRATEGY for difference in known]
        },
        "error_x": {
            "type": "data",
            "array": _rounded(np.array([ERRORS * difference.error for difference in known])),
            "color": INK,
            "thickness": 1.2,
        },
    }
    figure = Figure(
        "differences",
        f"Sharpe ratio of {strategy.name} minus that of …",
        "Of the same days, with twice the error of a paired block bootstrap. A grey bar is no difference.",
        traces=(trace,),
        layout={"xaxis": {"type": "linear"}, "yaxis": {"autorange": "reversed"}},
        height=80 + 34 * len(known),
    )
    return (figure,)


def _first_to_last(day: Daily) -> dict[str, Any]:
    return {"range": [day.dates[0], day.dates[-1]]} if day.dates else {}


def _leverage(result: BacktestResult, day: Daily) -> Figure:
    traces = [_line(day, day.leverage, "held", colour=STRATEGY, width=2)]
    names = [name for name in dict.fromkeys(day.binding) if name != "no estimate"]
    for place, name in enumerate(names):
        bound = np.array([binding == name for binding in day.binding])
        # Extend it by a day, because a line does not show a single point.
        bound[1:] |= bound[:-1].copy()
        target = np.where(bound, day.target_leverage, np.nan)
        colour = QUIET if place == 0 else cycled(BENCHMARKS, place - 1)
        traces.append(_line(day, target, f"target, bound by {name}", colour=colour, width=1.4))
    made = [event for event in result.events if not event.held_by]
    held = [event for event in result.events if event.held_by]
    for place, cause in enumerate(dict.fromkeys(event.cause for event in made)):
        these = [event for event in made if event.cause == cause]
        traces.append(
            _marks(these, f"trade: {cause}", colour=cycled(TRADES, place), heights=_leverage_after(these))
        )
    if held:
        traces.append(
            _marks(held, "wanted, held back", colour=QUIET, heights=_leverage_after(held))
            | {"visible": "legendonly"}
        )
    return Figure(
        "leverage",
        "Leverage, the bound that bound it, and every trade",
        "Hover over a mark for the keeper's reason. Trades that were wanted and held back are hidden until clicked.",
        traces=tuple(traces),
        layout={
            "yaxis": {"title": "gross value / NAV", "rangemode": "tozero"},
            "xaxis": _first_to_last(day),
        },
        height=460,
    )


def _leverage_after(events: Sequence[Event]) -> NDArray[np.float64]:
    return np.array([event.leverage_after for event in events])


def _marks(events: Sequence[Event], name: str, colour: str, heights: NDArray[np.float64]) -> Trace:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [f"{datetime.fromtimestamp(event.time, UTC):%Y-%m-%d %H:%M}" for event in events],
        "y": _rounded(heights),
        "text": [_wrapped(escape(event.reason, quote=False)) for event in events],
        "hovertemplate": "%{x}<br>%{text}<extra></extra>",
        "marker": {"color": colour, "size": 7, "symbol": "triangle-up"},
    }


def _volatility(result: BacktestResult, day: Daily) -> Figure:
    return Figure(
        "volatility",
        "Volatility: realised, forecast, target",
        f"Realised: daily returns of the last {DAYS_ROLLED} days. Forecast: the model's, of what is held.",
        traces=(
            _line(day, 100 * day.volatility, "realised", colour=STRATEGY, width=2),
            _line(day, 100 * day.forecast, "forecast", colour=KINDS[3], width=1.2),
            _level(day, 100 * result.policy_volatility, "target", colour=QUIET),
        ),
        layout={"yaxis": {"ticksuffix": " %", "rangemode": "tozero"}},
    )


def _health_factor(result: BacktestResult, day: Daily) -> Figure:
    shown = np.minimum(day.lowest_health_factor, HIGHEST_HEALTH_FACTOR)
    return Figure(
        "health",
        "Health factor at each day's lows",
        f"Below 1 Aave liquidates. Values above {HIGHEST_HEALTH_FACTOR:g}, and times without debt, are drawn there.",
        traces=(
            _line(day, shown, "lowest", colour=STRATEGY, width=1.6),
            _level(day, result.health_factor_floor, "floor of the target", colour=QUIET),
            _level(day, 1.0, "liquidation", colour=ALARM),
        ),
        layout={"yaxis": {"range": [0.8, HIGHEST_HEALTH_FACTOR + 0.2]}},
    )


def _weights(result: BacktestResult, day: Daily) -> Figure:
    traces = [
        _area(day, 100 * day.weights[:, place], symbol, colour=cycled(ASSETS, place))
        for place, symbol in enumerate(result.symbols)
    ]
    traces.append(_level(day, 100.0, "NAV", colour=QUIET))
    return Figure(
        "weights",
        "What is held, in parts of NAV",
        "Above the line is borrowed; the gap below it is cash.",
        traces=tuple(traces),
        layout={"yaxis": {"ticksuffix": " %", "rangemode": "tozero"}},
    )


def _risk_shares(result: BacktestResult, day: Daily) -> Figure:
    traces = [
        _area(day, 100 * day.risk_shares[:, place], symbol, colour=cycled(ASSETS, place))
        for place, symbol in enumerate(result.symbols)
    ]
    borders = np.cumsum(budgets_due(day.risk_shares, result.budgets), axis=1)
    for place in range(len(result.symbols) - 1):
        border = np.where(borders[:, -1] > 0.0, 100 * borders[:, place], np.nan)
        line = _line(day, border, "budgets", colour=INK, width=1, dash="dot")
        traces.append(line | {"legendgroup": "budgets", "showlegend": place == 0})
    return Figure(
        "risk",
        "Who carries the risk",
        "Each asset's share of the portfolio's forecast volatility; dotted: the borders that the budgets ask for.",
        traces=tuple(traces),
        layout={"yaxis": {"ticksuffix": " %", "range": [0, 100]}},
    )


def _costs(day: Daily) -> Figure:
    traces = [
        _area(day, day.costs_bps[:, place], name, colour=cycled(KINDS, place))
        for place, name in enumerate(KIND_NAMES)
        if name != "interest earned" and day.costs_bps.size and day.costs_bps[-1, place] > 0.0
    ]
    earned = day.costs_bps[:, KIND_NAMES.index("interest earned")]
    traces.append(_line(day, earned, "interest earned", colour=QUIET, width=1.2, dash="dot"))
    return Figure(
        "costs",
        "What it cost so far",
        "Basis points of NAV, added up; each trade's in parts of the NAV it was paid from.",
        traces=tuple(traces),
        layout={"yaxis": {"ticksuffix": " bps", "rangemode": "tozero"}},
    )


def _correlations(day: Daily) -> Figure:
    traces = [
        _line(day, values, pair, colour=cycled(ASSETS, place), width=1.2)
        for place, (pair, values) in enumerate(day.correlations.items())
    ]
    return Figure(
        "correlations",
        "Correlations of the last 30 days",
        "Daily returns. When all are near 1 there is little to diversify, and equal risk is near equal money.",
        traces=tuple(traces),
        layout={"yaxis": {"range": [-0.4, 1.05]}},
    )


def _line(
    day: Daily, values: NDArray[np.float64], name: str, colour: str, width: float, dash: str = "solid"
) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(day.dates),
        "y": _rounded(values),
        "line": {"color": colour, "width": width, "dash": dash},
    }


def _area(day: Daily, values: NDArray[np.float64], name: str, colour: str) -> Trace:
    return _line(day, values, name, colour=colour, width=0.5) | {"stackgroup": "one"}


def _level(day: Daily, value: float, name: str, colour: str) -> Trace:
    """A line from the first day to the last."""
    ends = [day.dates[0], day.dates[-1]] if day.dates else []
    line = _line(day, np.full(len(ends), value), name, colour=colour, width=1.4, dash="dash")
    return line | {"x": ends}


def _rounded(values: NDArray[np.float64]) -> list[float | None]:
    """Values rounded to five digits; NaN becomes a gap."""
    return [float(f"{value:.5g}") if math.isfinite(value) else None for value in values.tolist()]


def _wrapped(text: str, width: int = 80) -> str:
    """Joins lines for a hover label, which breaks lines only at this tag."""
    lines, line = [], ""
    for word in text.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "<br>".join([*lines, line]).replace("<br><br>", "<br>")
