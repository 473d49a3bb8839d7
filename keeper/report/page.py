"""One self-contained page about a backtest: works offline, in light and dark, on a screen and on a phone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from keeper.backtest.comparison import BLOCK_DAYS, ERRORS, SharpeDifference, sharpe_differences
from keeper.backtest.result import BacktestResult
from keeper.backtest.statistics import Summary
from keeper.domain.errors import InvalidSetting, install_extra
from keeper.report.events import events_data, events_section
from keeper.report.figures import Figure, figures
from keeper.report.numbers import number, percent
from keeper.report.summary_tables import cost_table, headline

PAGE = "index.html"


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
    differences = sharpe_differences(results)
    drawn = figures(results, differences)
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
<div class="scroll">{headline(summaries, differences)}</div>
<p class="caption">{_reading(strategy, differences)}</p>
{"".join(_section(figure) for figure in drawn)}
<h2>Costs</h2><p class="caption">What each strategy paid for what.</p>
<div class="scroll">{cost_table(results)}</div>
{events_section(results)}
<footer>{"".join(f"<div>{escape(note)}</div>" for note in strategy.notes)}</footer>
</main>
<script type="application/json" id="figures">{_embedded([asdict(figure) for figure in drawn])}</script>
<script type="application/json" id="events">{_embedded(events_data(results))}</script>
<script>{get_plotlyjs()}</script>
<script>{_asset("page.js")}</script>
</body>
</html>
"""


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


def _reading(strategy: BacktestResult, differences: Sequence[SharpeDifference]) -> str:
    """How the headline is to be read."""
    parts = []
    if differences:
        parts.append(
            "Sharpe ratios are of simple daily returns. Differences are of the same days, with the error of a paired "
            f"bootstrap in blocks of {BLOCK_DAYS} days; below {ERRORS:g} errors there is no difference."
        )
    if strategy.at_closes:
        parts.append(
            f"Lowest health factor: at each hour's lows; {', '.join(strategy.at_closes)} checked at closes, because "
            "no lows are recorded."
        )
    return escape(" ".join(parts))


def _section(figure: Figure) -> str:
    return (
        f'<h2>{escape(figure.title)}</h2><p class="caption">{escape(figure.caption)}</p>'
        f'<div class="figure" id="{figure.name}" style="height:{figure.height}px"></div>'
    )


def _embedded(data: Sequence[object]) -> str:
    # "<" could end the script element.
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _asset(name: str) -> str:
    return (files("keeper.report") / name).read_text(encoding="utf-8")
