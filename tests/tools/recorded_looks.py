"""``make recorded-looks``: looks at recorded history with one part missing, and LUNA's week without data."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from tests.backtest.silence import LUNA_WEEK, a_silent_week
from tests.cycle.recorded_looks import DATA, IS_RECORDED, RecordedLooks
from tests.cycle.rises import Rises

SHOWN_HOURS = 12


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--looks", type=int, default=568)
    chosen = parser.parse_args()
    if not IS_RECORDED:
        print(f"There is no recorded history in {DATA}. Set KEEPER_DATA_DIR.")
        return 2
    rises = Rises()
    for state in RecordedLooks().spread(chosen.looks):
        for row, comparison in rises.look_at(state):
            print(f"{_moment(state.snapshot.block.timestamp)}, {row}: {'; '.join(comparison.violations)}")
    print("\n".join(rises.lines()))
    week = a_silent_week(LUNA_WEEK)
    print(f"\nPrices frozen and no implied volatility, {week.silence}: target leverage")
    for hour in range(0, week.targets.size, SHOWN_HOURS):
        print(f"  {_moment(int(week.times[hour]))}  {week.targets[hour]:.4f}")
    print(f"  {_moment(int(week.times[-1]))}  {week.targets[-1]:.4f}, then with data again {week.after:.4f}")
    print(f"  rises within it: {week.rises}")
    return int(rises.counterexamples > 0 or week.rises > 0)


def _moment(time: int) -> str:
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}"


if __name__ == "__main__":
    sys.exit(main())
