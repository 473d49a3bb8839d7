"""A backtest as tables: every decision, every bar, and the figures of all strategies."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path

from keeper.backtest.comparison import sharpe_differences
from keeper.backtest.result import BacktestResult, Costs
from keeper.backtest.statistics import Summary

DECISIONS, BARS, SUMMARY, SENSITIVITY = "decisions.csv", "bars.csv.gz", "summary.csv", "sensitivity.csv"


def write_tables(
    results: Sequence[BacktestResult], summaries: Sequence[Summary], out: Path
) -> tuple[Path, ...]:
    """Writes the strategy's decisions and bars, and everybody's figures, to the folder ``out``; returns the files.

    The same results give the same bytes.
    """
    strategy = results[0]
    files = (out / DECISIONS, out / BARS, out / SUMMARY)
    files[0].write_text(_csv(_decisions(strategy)), encoding="utf-8")
    # No name and no time inside, so that equal content is equal bytes.
    files[1].write_bytes(gzip.compress(_csv(_bars(strategy)).encode(), mtime=0))
    write_summary(results, summaries, files[2])
    return files


def write_summary(results: Sequence[BacktestResult], summaries: Sequence[Summary], file: Path) -> Path:
    """A row of figures for each result, with the difference of the first one's Sharpe ratio from it."""
    file.write_text(_csv(_summaries(results, summaries)), encoding="utf-8")
    return file


def _decisions(result: BacktestResult) -> Iterable[Sequence[object]]:
    kinds = [field.name for field in fields(Costs)]
    yield (
        *("time", "action", "urgency", "cause", "held_by", "leverage_before", "leverage_after"),
        *("target_leverage", "binding", "turnover", "benefit_usd", "expected_cost_usd"),
        *(f"weight_before_{symbol}" for symbol in result.symbols),
        *(f"weight_after_{symbol}" for symbol in result.symbols),
        *(f"{kind}_usd" for kind in kinds),
        "reason",
    )
    for event in result.events:
        yield (
            *(_iso(event.time), event.action.value, event.urgency.value, event.cause, event.held_by),
            *(event.leverage_before, event.leverage_after, event.target_leverage, event.binding),
            *(event.turnover, event.benefit_usd, event.expected_cost_usd),
            *event.weights_before,
            *event.weights_after,
            *asdict(event.costs).values(),
            event.reason,
        )


def _bars(result: BacktestResult) -> Iterable[Sequence[object]]:
    series = {
        "nav_usd": result.nav_usd,
        "leverage": result.leverage,
        "target_leverage": result.target_leverage,
        "health_factor": result.health_factor,
        "low_health_factor": result.low_health_factor,
        "forecast_volatility": result.forecast_volatility,
        "target_volatility": result.target_volatility,
        "tracking_error": result.tracking_error,
    }
    for place, symbol in enumerate(result.symbols):
        series[f"close_{symbol}"] = result.closes[:, place]
        series[f"weight_{symbol}"] = result.weights[:, place]
        series[f"risk_share_{symbol}"] = result.risk_shares[:, place]
    yield ("time", "binding", *series)
    columns = [values.tolist() for values in series.values()]
    names = [result.binding_names[number] for number in result.binding.tolist()]
    for time, binding, *row in zip(result.times.tolist(), names, *columns, strict=True):
        yield (_iso(time), binding, *(f"{value:.10g}" for value in row))


def _summaries(results: Sequence[BacktestResult], summaries: Sequence[Summary]) -> Iterable[Sequence[object]]:
    yield [
        *(field.name for field in fields(Summary)),
        "first_minus_this",
        "first_minus_this_error",
        "verdict",
    ]
    differences = [("", "", ""), *((d.difference, d.error, d.verdict) for d in sharpe_differences(results))]
    for summary, difference in zip(summaries, differences, strict=True):
        yield [*asdict(summary).values(), *difference]


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _iso(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%dT%H:%M:%SZ}"
