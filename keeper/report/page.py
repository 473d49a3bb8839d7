"""One self-contained page about a backtest: works offline, in light and dark, on a screen and on a phone."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from keeper.backtest.result import BacktestResult, Event
from keeper.backtest.statistics import Summary
from keeper.domain.errors import InvalidSetting, install_extra
from keeper.report.figures import Figure, figures

PAGE = "index.html"
EVENTS_SHOWN = 300


def write_page(results: Sequence[BacktestResult], summaries: Sequence[Summary], out: Path) -> Path:
    """Writes ``index.html`` to the folder ``out``; the first result is the strategy. Raises InvalidSetting without
    plotly."""
    target = out / PAGE
    target.write_text(page(results, summaries), encoding="utf-8")
    return target


def page(results: Sequence[BacktestResult], summaries: Sequence[Summary]) -> str:
    """The whole document."""
    if find_spec("plotly") is None:
        raise InvalidSetting(
            "the page needs plotly, which is not installed", remedy=install_extra("research")
        )
    from plotly.offline import get_plotlyjs

    strategy, summary = results[0], summaries[0]
    drawn = figures(results)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(strategy.name)}: backtest {_period(strategy)}</title>
<style>{_asset("page.css")}</style>
</head>
<body>
<main>
<h1>{escape(strategy.name.capitalize())} on {escape(", ".join(strategy.symbols))}</h1>
<p class="source">{_period(strategy)}. Prices: {escape(strategy.source)}.</p>
{_numbers(summary)}
<div class="scroll">{_headline(summaries)}</div>
{"".join(_section(figure) for figure in drawn)}
{_events(strategy)}
<footer>{"".join(f"<div>{escape(note)}</div>" for note in strategy.notes)}</footer>
</main>
<script type="application/json" id="figures">{_embedded(drawn)}</script>
<script>{get_plotlyjs()}</script>
<script>{_asset("page.js")}</script>
</body>
</html>
"""


def percent(value: float, digits: int = 1) -> str:
    return "–" if math.isnan(value) else f"{100 * value:.{digits}f} %"


def number(value: float, digits: int = 2) -> str:
    if math.isnan(value):
        return "–"
    return "∞" if math.isinf(value) else f"{value:.{digits}f}"


def _period(result: BacktestResult) -> str:
    first, last = (datetime.fromtimestamp(int(result.times[place]), UTC) for place in (0, -1))
    return f"{first:%-d %B %Y} to {last:%-d %B %Y}"


def _numbers(summary: Summary) -> str:
    shown = {
        "volatility": percent(summary.realised_volatility),
        "its target": percent(summary.target_volatility),
        "growth": f"× {1 + summary.growth:.2f}",
        "Sharpe ratio": f"{number(summary.sharpe)} ± {number(summary.sharpe_error)}",
        "worst drawdown": percent(summary.max_drawdown),
        "lowest health factor": number(summary.min_health_factor),
        "trades a year": number(summary.trades, 0),
        "cost a year": f"{number(summary.cost_bps, 0)} bps",
    }
    cells = (
        f'<div class="number"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value in shown.items()
    )
    return f'<div class="numbers">{"".join(cells)}</div>'


def _headline(summaries: Sequence[Summary]) -> str:
    columns: tuple[tuple[str, Callable[[Summary], str]], ...] = (
        ("", lambda s: escape(s.name)),
        ("volatility", lambda s: percent(s.realised_volatility)),
        ("target", lambda s: percent(s.target_volatility, 0)),
        ("drawdown", lambda s: percent(s.max_drawdown)),
        ("growth", lambda s: f"× {1 + s.growth:.2f}"),
        ("Sharpe ± error", lambda s: f"{number(s.sharpe)} ± {number(s.sharpe_error)}"),
        ("turnover a year", lambda s: number(s.turnover, 1)),
        ("trades a year", lambda s: number(s.trades, 0)),
        ("cost, bps a year", lambda s: number(s.cost_bps, 0)),
        ("interest, bps a year", lambda s: number(s.interest_bps, 0)),
        ("risk off budget", lambda s: percent(s.share_dispersion)),
        ("lowest health factor", lambda s: number(s.min_health_factor)),
        ("liquidations", lambda s: str(s.liquidations)),
    )
    head = "".join(f"<th>{name}</th>" for name, _ in columns)
    rows = (
        f"<tr{' class=strategy' if place == 0 else ''}>"
        + "".join(f"<td>{value(summary)}</td>" for _, value in columns)
        + "</tr>"
        for place, summary in enumerate(summaries)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _section(figure: Figure) -> str:
    return (
        f'<h2>{escape(figure.title)}</h2><p class="caption">{escape(figure.caption)}</p>'
        f'<div class="figure" id="{figure.name}" style="height:{figure.height}px"></div>'
    )


def _events(result: BacktestResult) -> str:
    last = result.events[-EVENTS_SHOWN:]
    shown = (
        "every one" if len(last) == len(result.events) else f"the last {len(last)} of {len(result.events)}"
    )
    head = (
        "<th>time (UTC)</th><th class=text>what</th><th class=text>why</th>"
        "<th>leverage</th><th>turnover</th><th>cost, USD</th>"
    )
    rows = "".join(_event(event) for event in reversed(last))
    return (
        f"<details><summary>Trades and holds: {shown}</summary>"
        f'<p class="caption">decisions.csv has all of them.</p>'
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></details>'
    )


def _event(event: Event) -> str:
    costs = asdict(event.costs)
    paid = sum(costs[kind] for kind in ("pool_fees", "slippage", "flash_premium", "gas", "liquidation"))
    what = f"held by {event.held_by}" if event.held_by else event.cause
    return (
        f"<tr><td>{datetime.fromtimestamp(event.time, UTC):%Y-%m-%d %H:%M}</td>"
        f'<td class="text{" bad" if event.cause == "liquidation" else ""}">{escape(what)}</td>'
        f'<td class="reason">{escape(event.reason)}</td>'
        f"<td>{event.leverage_before:.2f} → {event.leverage_after:.2f}</td>"
        f"<td>{event.turnover:.3f}</td><td>{paid:,.0f}</td></tr>"
    )


def _embedded(drawn: Sequence[Figure]) -> str:
    # "<" could end the script element.
    text = json.dumps([asdict(figure) for figure in drawn], separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def _asset(name: str) -> str:
    return (files("keeper.report") / name).read_text(encoding="utf-8")
