"""The hours of a scenario as JSON lines."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from keeper.devnet.scenario.hours import HourRecord, ScenarioResult


def write_hours(result: ScenarioResult, file: Path) -> None:
    """One object for each cycle, oldest first. Infinity and NaN become null."""
    lines = [json.dumps(_finite(hour), allow_nan=False) for hour in result.hours]
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _finite(hour: HourRecord) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in asdict(hour).items()
    }
