"""A backtest on the terminal: the figures of all strategies, then details of the first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keeper.backtest.result import BacktestResult
from keeper.backtest.statistics import Summary
from keeper.cli.output import facts, plain_table
from keeper.report.page import number, percent

MAX_LISTED = 5


def screen(results: Sequence[BacktestResult], summaries: Sequence[Summary]) -> RenderableType:
    """The first result is the strategy."""
    return Group(_figures(summaries), Text(), _details(results[0], summaries[0]))


def _figures(summaries: Sequence[Summary]) -> Table:
    table = plain_table(
        "strategy",
        *(">volatility\n(target)", ">worst\nloss", ">growth", ">Sharpe\n± error", ">NAVs\ntraded"),
        *(">trades\na year", ">cost\nbps", ">lowest\nhealth"),
    )
    for place, summary in enumerate(summaries):
        target = summary.target_volatility
        table.add_row(
            summary.name,
            percent(summary.realised_volatility) + ("" if math.isnan(target) else f" ({percent(target, 0)})"),
            percent(summary.max_drawdown, 0),
            f"×{1 + summary.growth:.2f}",
            f"{number(summary.sharpe)}±{number(summary.sharpe_error)}",
            number(summary.turnover, 1),
            number(summary.trades, 0),
            number(summary.cost_bps, 0),
            number(summary.min_health_factor),
            style="bold" if place == 0 else "",
        )
    return table


def _details(result: BacktestResult, summary: Summary) -> Table:
    binding = Counter(result.binding_names[place] for place in result.binding.tolist())
    traded = Counter(event.cause for event in result.events if not event.held_by)
    held = Counter(event.held_by for event in result.events if event.held_by)
    return facts(
        (
            ("leverage bound by", _shares(binding)),
            ("trades because of", _counts(traded)),
            ("held back by", _counts(held)),
            ("interest", f"{number(summary.interest_bps, 0)} bps a year, net"),
            ("risk off budget", f"{percent(summary.share_dispersion)} (root mean square)"),
            ("liquidations", str(summary.liquidations)),
            ("years", number(summary.years)),
        )
    )


def _shares(counts: Counter[str]) -> str:
    total = counts.total()
    return ", ".join(f"{name} {count / total:.0%}" for name, count in counts.most_common(MAX_LISTED))


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(MAX_LISTED)) or "nothing"
