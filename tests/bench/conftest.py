"""The tables that ``make bench`` ends with: each competitor's time and error beside ours, and what was aimed at.

A benchmark joins its group's table by ``extra_info``: ``who``; ``error``, where there is a right answer; ``times``,
where one round does the work so many times. What is no matter of time brings its own ``table``.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import pytest

# Before numpy loads: below n of about 1,500 a second thread costs more than it gives.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

OURS = "keeper"
RISK_PARITY = "keeper, risk_parity (numpy), all checks"
SKFOLIO = "skfolio RiskBudgeting"


class Row(NamedTuple):
    """One competitor: median and least seconds for one piece of work, and how far its result is off."""

    who: str
    seconds: float
    least: float
    error: float | None


class Target(NamedTuple):
    """What was aimed at: ours, in the unit of ``measure``, at most (or at least) so much."""

    group: str
    what: str
    measure: Callable[[dict[str, Row]], float]
    aim: float
    unit: str
    more_is_better: bool = False


def _seconds(who: str, unit: float) -> Callable[[dict[str, Row]], float]:
    return lambda rows: rows[who].seconds / unit


def _times(ours: str, theirs: str) -> Callable[[dict[str, Row]], float]:
    return lambda rows: rows[theirs].seconds / rows[ours].seconds


def _bars_a_second(rows: dict[str, Row]) -> float:
    return 1.0 / next(row.seconds for who, row in rows.items() if who.startswith("keeper, n = 10"))


SLOW_UNMEASURED = ("test_keeper[20-2000]", "test_keeper[10-2000]", "test_keeper[10-1000]")
_N10 = "equal risk, n = 10"
_BACKTEST = "backtest, n = 10, hourly, for each bar"
_PLANNING = "planning, no I/O"
_BIG = "equal risk, n = 1000"
TARGETS = (
    Target(_N10, "one call", _seconds(RISK_PARITY, 1e-6), 100, "µs"),
    Target(_N10, "against skfolio", _times(RISK_PARITY, SKFOLIO), 50, "×", more_is_better=True),
    Target(_BIG, "against skfolio", _times(RISK_PARITY, SKFOLIO), 20, "×", more_is_better=True),
    Target(_PLANNING, "4 assets", _seconds("keeper, 4 assets", 1e-3), 3, "ms"),
    Target(_PLANNING, "10 assets", _seconds("keeper, 10 assets", 1e-3), 8, "ms"),
    Target(_BACKTEST, "every bar decided", _bars_a_second, 1_000, "bars/s", more_is_better=True),
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where nothing is measured, a thousand assets and the longest backtests need not cost their seconds."""
    if config.getoption("benchmark_enable") or not config.getoption("benchmark_disable"):
        return
    slow = [
        item
        for item in items
        if item.name in SLOW_UNMEASURED or (item.name.startswith("test_peer[") and "-1000]" in item.name)
    ]
    items[:] = [item for item in items if item not in slow]
    config.hook.pytest_deselected(items=slow)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Prints the comparison, after pytest-benchmark's own tables."""
    session = getattr(config, "_benchmarksession", None)
    measured = session.benchmarks if session is not None else ()
    for table in (one.extra_info["table"] for one in measured if "table" in one.extra_info):
        terminalreporter.write_line(f"\n{table}")
    groups = _groups(measured)
    if not groups:
        return
    terminalreporter.section("side by side: time of one piece of work, and its error")
    terminalreporter.write_line(
        "Error: max |RC_i / (b_i s_p) - 1| for equal risk, max |estimated / definition - 1| for a covariance. "
        "Every row is one call from Python. Ratios compare medians with our fastest row."
    )
    for group, rows in groups.items():
        terminalreporter.write_line("")
        terminalreporter.write_line(group, bold=True)
        for line in _table(rows):
            terminalreporter.write_line(line)
    terminalreporter.write_line("")
    terminalreporter.write_line("aimed at", bold=True)
    for line in _reached(groups):
        terminalreporter.write_line(line)


def _groups(benchmarks: Sequence[Any]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for one in benchmarks:
        info = one.extra_info
        if "who" in info and one.stats.data:
            times = info.get("times", 1)
            groups[one.group].append(
                Row(info["who"], one.stats.median / times, one.stats.min / times, info.get("error"))
            )
    return groups


def _table(rows: list[Row]) -> list[str]:
    ours = [row for row in rows if row.who.startswith(OURS)]
    fastest = min(ours or rows, key=lambda row: row.seconds)
    lines = [f"  {'':<48} {'median':>10} {'best':>10} {'':>11}   {'error':>6}"]
    for row in sorted(rows, key=lambda row: row.seconds):
        error = "" if row.error is None else f"{row.error:.0e}"
        times = f"{_readable(row.seconds):>10} {_readable(row.least):>10}"
        lines.append(f"  {row.who:<48} {times} {row.seconds / fastest.seconds:>10,.1f}×   {error:>6}")
    return lines


def _readable(seconds: float) -> str:
    for unit, size in (("s ", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def _reached(groups: dict[str, list[Row]]) -> list[str]:
    lines = []
    for target in TARGETS:
        rows = {row.who: row for row in groups.get(target.group, ())}
        sign = "≥" if target.more_is_better else "≤"
        aim = f"{sign} {target.aim:,g} {target.unit}"
        try:
            found = target.measure(rows)
        except (KeyError, StopIteration):
            lines.append(f"  {target.group + ': ' + target.what:<60} {aim:>16}   not measured in this run")
            continue
        reached = found >= target.aim if target.more_is_better else found <= target.aim
        lines.append(
            f"  {target.group + ': ' + target.what:<60} {aim:>16}   {found:>10,.3g}   {'yes' if reached else 'NO'}"
        )
    return lines
