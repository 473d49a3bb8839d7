"""A backtest on the terminal: the figures of all strategies, then what drove the first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keeper.report.page import number, percent

if TYPE_CHECKING:
    from keeper.backtest.result import BacktestResult
    from keeper.backtest.statistics import Summary

MOST_LISTED = 5


def screen(results: Sequence[BacktestResult], summaries: Sequence[Summary]) -> RenderableType:
    """The first result is the strategy."""
    return Group(_figures(summaries), Text(), _facts(results[0], summaries[0]))


def _figures(summaries: Sequence[Summary]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    table.add_column("", no_wrap=True)
    for heading in (
        *(
            "volatility\n(target)",
            "worst\nloss",
            "growth",
            "Sharpe\n± error",
            "NAVs\ntraded",
            "trades\na year",
        ),
        *("cost\nbps", "lowest\nhealth"),
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for place, one in enumerate(summaries):
        target = (
            f" ({percent(one.target_volatility, 0)})"
            if one.target_volatility == one.target_volatility
            else ""
        )
        table.add_row(
            one.name,
            percent(one.realised_volatility) + target,
            percent(one.max_drawdown, 0),
            f"×{1 + one.growth:.2f}",
            f"{number(one.sharpe)}±{number(one.sharpe_error)}",
            number(one.turnover, 1),
            number(one.trades, 0),
            number(one.cost_bps, 0),
            number(one.min_health_factor),
            style="bold" if place == 0 else "",
        )
    return table


def _facts(result: BacktestResult, summary: Summary) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    bound = Counter(result.binding_names[place] for place in result.binding.tolist())
    table.add_row("leverage bound by", _shares(bound))
    made = [event for event in result.events if not event.held_by]
    held = [event for event in result.events if event.held_by]
    table.add_row("trades because of", _counts(Counter(event.cause for event in made)))
    table.add_row("held back by", _counts(Counter(event.held_by for event in held)))
    table.add_row("interest", f"{number(summary.interest_bps, 0)} bps a year, net")
    table.add_row("risk off budget", f"{percent(summary.share_dispersion)} (root mean square)")
    table.add_row("liquidations", str(summary.liquidations))
    table.add_row("years", number(summary.years))
    return table


def _shares(counts: Counter[str]) -> str:
    total = counts.total()
    return ", ".join(f"{name} {count / total:.0%}" for name, count in counts.most_common(MOST_LISTED))


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(MOST_LISTED)) or "nothing"
