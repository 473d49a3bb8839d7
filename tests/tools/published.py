"""README's table of strategies, from the tables of ``make backtest``, and a probe that tells whether it is stale.

The whole backtest takes minutes, so no test repeats it. A probe of two weeks takes seconds: where the strategy or the
engine has changed, its figures are others than those written beside the table.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from keeper.backtest.engine import backtest
from keeper.backtest.statistics import summarise
from keeper.cli.market import market_path
from keeper.cli.options import DATA_DIR
from keeper.cli.venue import recorded_venue
from keeper.recorded.prices import price_file
from keeper.report.numbers import number, percent, signed
from keeper.settings.load import load_strategy
from keeper.settings.policy import policy

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
SUMMARY: Final = ROOT / "backtest" / "summary.csv"
BEGIN: Final = "<!-- strategies: written by `make backtest` -->\n"
PROBE: Final = "<!-- probe: "
END: Final = " -->"
SINCE, UNTIL = datetime(2022, 5, 5), datetime(2022, 5, 18)
HEADINGS: Final = (
    "strategy",
    "volatility (target 80 %)",
    "worst drawdown",
    "Sharpe ratio ± error",
    "risk parity minus it, ± error in pairs",
    "growth",
    "turnover, NAVs a year",
    "trades a year",
    "cost, bps a year",
    "net interest, bps",
    "risk off budget",
    "lowest health factor (UNI checked at closes)",
)


def data_folder() -> Path | None:
    """The folder of recorded prices, None without one."""
    folder = Path(os.environ.get("KEEPER_DATA_DIR") or DATA_DIR)
    return folder if price_file(folder) is not None else None


def probe() -> str:
    """Two weeks of May 2022 with the shipped strategy, as text."""
    shipped = policy(load_strategy(ROOT / "keeper.toml"))
    symbols = tuple(asset.symbol for asset in shipped.assets)
    path = market_path(data_folder(), symbols, since=SINCE, until=UNTIL, estimate=shipped.estimate)
    result = backtest(path, shipped, recorded_venue(), "risk parity")
    figures = summarise(result)
    traded = sum(not event.held_by for event in result.events)
    return (
        f"{SINCE:%Y-%m-%d} to {UNTIL:%Y-%m-%d}, growth x{1 + figures.growth:.4f}, {traded} trades, "
        f"{figures.cost_bps:.1f} bps of cost a year, lowest health factor {figures.min_health_factor:.3f}"
    )


def written_probe(text: str) -> str:
    """The probe that was written beside the table. Raises ValueError without one."""
    _, begin, rest = text.partition(PROBE)
    if not begin:
        raise ValueError(f"{README.name} has no {PROBE}")
    return rest.partition(END)[0]


def table(rows: Iterable[Mapping[str, str]]) -> str:
    """A row of Markdown for each row of ``summary.csv``; the first is the strategy."""
    lines = [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    for place, row in enumerate(rows):
        cells = _cells(row)
        shown = [f"**{cell}**" for cell in cells] if place == 0 else cells
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines)


def page(text: str, rows: Sequence[Mapping[str, str]], probed: str) -> str:
    """``text`` with its table and its probe renewed. Raises ValueError without their marks."""
    before, begin, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(PROBE)
    if not begin or not mark:
        raise ValueError(f"{README.name} has no {BEGIN.strip()} or no {PROBE}")
    return f"{before}{begin}\n{table(rows)}\n\n{PROBE}{probed}{END}{after.partition(END)[2]}"


def _cells(row: Mapping[str, str]) -> tuple[str, ...]:
    value = {name: float(text) for name, text in row.items() if name not in ("name", "verdict") and text}
    target = value["target_volatility"]
    difference = "–"
    if "first_minus_this" in value:
        difference = f"{signed(value['first_minus_this'])} ± {number(value['first_minus_this_error'], 3)}"
        difference += f": {row['verdict']}" if row["verdict"] else ""
    off = value["share_dispersion"]
    return (
        row["name"],
        percent(value["realised_volatility"]) + (" (no target)" if target != target else ""),
        percent(value["max_drawdown"], 0),
        f"{number(value['sharpe'])} ± {number(value['sharpe_error'])}",
        difference,
        f"× {1 + value['growth']:.1f}",
        number(value["turnover"], 1),
        number(value["trades"], 0),
        number(value["cost_bps"], 0),
        number(value["interest_bps"], 0),
        "–" if off != off else f"{100 * off:.1f} pp",
        number(value["min_health_factor"]),
    )


def main() -> None:
    if data_folder() is None:
        sys.stdout.write("README is not written: the prices are generated.\n")
        return
    with SUMMARY.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    README.write_text(page(README.read_text(encoding="utf-8"), rows, probe()), encoding="utf-8")
    sys.stdout.write(f"{README}\n")


if __name__ == "__main__":
    main()
