"""A backtest on the terminal: the figures of all strategies, their differences, then details of the first."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from keeper.backtest.comparison import sharpe_differences
from keeper.backtest.held_volatility import Distance, held_volatility
from keeper.backtest.result import BacktestResult
from keeper.backtest.statistics import Summary
from keeper.cli.output import facts, plain_table
from keeper.report.numbers import number, percent, signed

MAX_LISTED = 5


def screen(results: Sequence[BacktestResult], summaries: Sequence[Summary]) -> RenderableType:
    """The first result is the strategy."""
    parts: list[RenderableType] = [_figures(summaries, "strategy"), *_checked_at_closes(results[0]), Text()]
    if len(results) > 1:
        parts += [_differences(results), Text()]
    return Group(*parts, _details(results[0], summaries[0]))


def sensitivity_screen(results: Sequence[BacktestResult], summaries: Sequence[Summary]) -> RenderableType:
    """The first result is the strategy as it is, the others with one assumption changed."""
    return Group(
        Text("\nThe strategy with one assumption changed", style="bold"),
        _figures(summaries, "assumption"),
        Text(),
        _differences(results),
    )


def _checked_at_closes(result: BacktestResult) -> Iterator[Text]:
    if result.at_closes:
        yield Text(
            f"Lowest health: at each hour's lows; {', '.join(result.at_closes)} checked at closes.",
            style="dim",
        )


def _differences(results: Sequence[BacktestResult]) -> Table:
    """Of the first result from each other."""
    strategy = results[0].name
    table = plain_table(f"Sharpe ratio of {strategy} minus that of", ">difference", ">± error", "verdict")
    for difference in sharpe_differences(results):
        table.add_row(
            difference.other,
            signed(difference.difference),
            number(difference.error, 3),
            difference.verdict or "too few days",
        )
    return table


def _figures(summaries: Sequence[Summary], what: str) -> Table:
    table = plain_table(
        what,
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
            ("30 days off target", _off_target(result)),
            ("risk off budget", f"{percent(summary.share_dispersion)} (root mean square)"),
            ("liquidations", str(summary.liquidations)),
            ("years", number(summary.years)),
        )
    )


def _off_target(result: BacktestResult) -> str:
    held = held_volatility(result)
    if math.isnan(held.whole.mean):
        return "unknown: no 30 days with a target"
    parts = (("forecast", held.forecast), ("waiting", held.waiting), ("bounds", held.bounds))
    return f"{_distance(held.whole)}; " + ", ".join(f"{name} {_distance(part)}" for name, part in parts)


def _distance(distance: Distance) -> str:
    return f"{number(distance.root_mean_square, 3)} (mean {signed(distance.mean)})"


def _shares(counts: Counter[str]) -> str:
    total = counts.total()
    return ", ".join(f"{name} {count / total:.0%}" for name, count in counts.most_common(MAX_LISTED))


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.most_common(MAX_LISTED)) or "nothing"
