"""The page's tables of figures: the headline of every strategy, and what each paid for what."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

from keeper.backtest.comparison import SharpeDifference
from keeper.backtest.result import BacktestResult
from keeper.backtest.statistics import Summary, yearly_bps
from keeper.report.figures import KIND_NAMES
from keeper.report.numbers import number, percent, signed


def headline(summaries: Sequence[Summary], differences: Sequence[SharpeDifference]) -> str:
    """A row for each strategy; ``differences`` are of the first from each other one."""
    of = {difference.other: difference for difference in differences}
    columns: tuple[tuple[str, Callable[[Summary], str]], ...] = (
        ("", lambda s: escape(s.name)),
        ("volatility (target)", _volatility),
        ("drawdown", lambda s: percent(s.max_drawdown)),
        ("growth", lambda s: f"× {1 + s.growth:.2f}"),
        ("Sharpe ± error", lambda s: f"{number(s.sharpe)} ± {number(s.sharpe_error)}"),
        (f"{summaries[0].name} minus this", lambda s: _difference(of.get(s.name))),
        ("turnover a year", lambda s: number(s.turnover, 1)),
        ("trades a year", lambda s: number(s.trades, 0)),
        ("cost, bps a year", lambda s: number(s.cost_bps, 0)),
        ("risk off budget", lambda s: percent(s.share_dispersion)),
        ("lowest health factor", lambda s: number(s.min_health_factor)),
        ("liquidations", lambda s: str(s.liquidations)),
    )
    return _table(
        [escape(name) for name, _ in columns], [[value(s) for _, value in columns] for s in summaries]
    )


def cost_table(results: Sequence[BacktestResult]) -> str:
    """Bps of NAV a year by kind, each bar's in parts of the NAV it was paid from; interest earned is negative."""
    rows = []
    for result in results:
        paid = yearly_bps(result)
        paid[KIND_NAMES.index("interest earned")] *= -1.0
        rows.append(
            [escape(result.name), *(f"{value:.1f}" if value else "–" for value in paid), f"{paid.sum():.1f}"]
        )
    return _table(["bps of NAV a year", *KIND_NAMES, "together"], rows)


def _volatility(summary: Summary) -> str:
    realised, target = percent(summary.realised_volatility), summary.target_volatility
    return realised if math.isnan(target) else f"{realised} ({percent(target, 0)})"


def _difference(difference: SharpeDifference | None) -> str:
    if difference is None:
        return ""
    shown = f"{signed(difference.difference)} ± {number(difference.error, 3)}"
    return f"{shown}<br>{difference.verdict}" if difference.verdict else shown


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{heading}</th>" for heading in headings)
    body = "".join(
        f"<tr{' class=strategy' if place == 0 else ''}>"
        + "".join(f"<td>{cell}</td>" for cell in row)
        + "</tr>"
        for place, row in enumerate(rows)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
