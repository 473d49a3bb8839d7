"""``make policy``: what the shipped strategy asks of the vault's limits, from the decisions of a backtest.

Losses are counted as the vault counts them: each asset that a call moves by its feed's lag, and what fees and depth
cost. A window is the vault's: four slots of eight hours.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

SLOT_SECONDS: Final = 8 * 3600
SLOTS: Final = 4
LAG: Final = 0.0050
CASH_LAG: Final = 0.0025
"""Of the shipped assets, as deployed: ``lagBps`` 50, and 25 of the accounting asset."""
FIRST_DAYS: Final = 2 * 86_400
"""The purchase of a whole vault from cash is shown by itself."""


@dataclass(frozen=True, slots=True)
class Call:
    """One trade, in parts of NAV."""

    time: int
    turnover: float
    loss: float
    leverage: float
    heaviest: float
    emergency: bool


def calls(rows: Iterable[Mapping[str, str]], nav_usd: Mapping[str, float]) -> tuple[Call, ...]:
    """The trades among a backtest's decisions; ``nav_usd`` by time, which costs are a part of."""
    return tuple(
        _call(row, nav_usd[row["time"]]) for row in rows if not row["held_by"] and row["action"] != "HOLD"
    )


def most_in_a_window(times: Sequence[int], amounts: Sequence[float]) -> float:
    """The largest sum of four slots in a row."""
    slots: dict[int, float] = {}
    for time, amount in zip(times, amounts, strict=True):
        slots[time // SLOT_SECONDS] = slots.get(time // SLOT_SECONDS, 0.0) + amount
    return max((sum(slots.get(slot - k, 0.0) for k in range(SLOTS)) for slot in slots), default=0.0)


def _call(row: Mapping[str, str], nav_usd: float) -> Call:
    before = {name[14:]: float(value) for name, value in row.items() if name.startswith("weight_before_")}
    after = {name[13:]: float(value) for name, value in row.items() if name.startswith("weight_after_")}
    moved = [after[symbol] - before[symbol] for symbol in before]
    cost = (float(row["pool_fees_usd"]) + float(row["slippage_usd"])) / nav_usd
    return Call(
        time=int(datetime.fromisoformat(row["time"]).timestamp()),
        turnover=float(row["turnover"]),
        loss=LAG * sum(map(abs, moved)) + CASH_LAG * abs(sum(moved)) + cost,
        leverage=float(row["leverage_after"]),
        heaviest=max(after.values()),
        emergency=row["urgency"] == "EMERGENCY",
    )


def figures(made: Sequence[Call]) -> Iterable[tuple[str, str]]:
    """What and how much, for a person."""
    times = [call.time for call in made]
    yield "trades, emergencies among them", f"{len(made)}, {sum(call.emergency for call in made)}"
    yield "most turnover of a call", f"{max(call.turnover for call in made):.2f} NAV"
    yield (
        "most turnover of a window",
        f"{most_in_a_window(times, [call.turnover for call in made]):.2f} NAV",
    )
    yield "most loss of a call", f"{max(call.loss for call in made) * 1e4:.0f} bps"
    yield "most loss of a window", f"{most_in_a_window(times, [call.loss for call in made]) * 1e4:.0f} bps"
    gaps = [later - earlier for earlier, later in pairwise(times)]
    yield "shortest time between two calls", f"{min(gaps) // 3600} h"
    yield "highest leverage after a call", f"{max(call.leverage for call in made):.2f}"
    yield "heaviest weight after a call", f"{max(call.heaviest for call in made):.2f} NAV"


def main() -> int:
    folder = Path(sys.argv[1])
    with gzip.open(folder / "bars.csv.gz", "rt", encoding="utf-8") as file:
        nav_usd = {row["time"]: float(row["nav_usd"]) for row in csv.DictReader(file)}
    with (folder / "decisions.csv").open(encoding="utf-8") as file:
        made = calls(csv.DictReader(file), nav_usd)
    first = [call for call in made if call.time < made[0].time + FIRST_DAYS]
    for heading, some in (("from cash, the first two days", first), ("after that", made[len(first) :])):
        print(heading)
        for what, amount in figures(some) if len(some) > 1 else _single(some[0]):
            print(f"  {what:34} {amount}")
    return 0


def _single(call: Call) -> Iterable[tuple[str, str]]:
    yield "turnover", f"{call.turnover:.2f} NAV"
    yield "loss", f"{call.loss * 1e4:.0f} bps"
    yield "leverage", f"{call.leverage:.2f}"


if __name__ == "__main__":
    sys.exit(main())
