"""One picture of a backtest for a README: SVG, legible on light and dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.result import BacktestResult
from keeper.domain.errors import BadInput
from keeper.report.colours import BENCHMARKS, QUIET, STRATEGY, cycled
from keeper.report.daily import daily

WIDTH, HEIGHT = 1200, 700
LEFT, RIGHT = 64, 24
POINTS = 450
COMPARED = ("equal weight", "hierarchical risk parity", "60/40")
FONT = 'font-family="system-ui, -apple-system, Segoe UI, sans-serif" font-size="15"'
TEXT = "#7d8590"
"""Readable on white and on near-black."""


def write_picture(results: Sequence[BacktestResult], file: Path) -> None:
    """Growth, drawdown and leverage of the first result and a few benchmark strategies. Deterministic bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(picture(results), encoding="utf-8")


def picture(results: Sequence[BacktestResult]) -> str:
    """The SVG document. Raises BadInput when no day closes in the period."""
    shown = [results[0], *(result for result in results[1:] if result.name in COMPARED)]
    days = [daily(result) for result in shown]
    dates = days[0].dates
    if not dates:
        raise BadInput("a picture needs a day's close, 24:00 UTC", remedy="Choose a longer period.")
    kept = np.unique(np.linspace(0, len(dates) - 1, min(POINTS, len(dates))).astype(np.intp))
    colours = [STRATEGY, *(cycled(BENCHMARKS, place) for place in range(len(shown) - 1))]
    growth = [np.log10(np.maximum(day.equity, 1e-9))[kept] for day in days]
    # The worst of the days between two points, or the picture would miss the bottom.
    losses = [-np.maximum.reduceat(day.drawdown, kept) for day in days]
    panels = [
        _panel(
            46,
            320,
            "growth of one dollar, net of costs (log)",
            series=growth,
            colours=colours,
            ticks=_powers(growth),
        ),
        _panel(
            408,
            130,
            "drawdown",
            series=losses,
            colours=colours,
            ticks={-0.25: "−25 %", -0.5: "−50 %", -0.75: "−75 %"},
        ),
        _panel(
            590,
            70,
            "leverage of the strategy",
            series=[days[0].leverage[kept]],
            colours=[STRATEGY],
            ticks={0.0: "0", 1.0: "1", 2.0: "2"},
        ),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
            _legend([result.name for result in shown], colours),
            *panels,
            _years(dates, kept),
            "</svg>",
            "",
        ]
    )


def _panel(
    top: int,
    height: int,
    title: str,
    series: Sequence[NDArray[np.float64]],
    colours: Sequence[str],
    ticks: dict[float, str],
) -> str:
    values = np.concatenate(series)
    values = values[np.isfinite(values)]
    low, high = float(min(values.min(), *ticks)), float(max(values.max(), 0.0, *ticks))
    high = high if high > low else low + 1.0

    def y(value: float) -> float:
        return top + height * (high - value) / (high - low)

    parts = [f'<text x="{LEFT}" y="{top - 9}" fill="{TEXT}">{escape(title)}</text>']
    for tick, label in ticks.items():
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" '
            f'stroke="{TEXT}" stroke-opacity="0.25"/>'
            f'<text x="{LEFT - 8}" y="{y(tick) + 5:.1f}" text-anchor="end" fill="{TEXT}">{label}</text>'
        )
    for place in reversed(range(len(series))):
        line = series[place]
        points = " ".join(
            f"{_x(i, line.size):.1f},{y(float(v)):.1f}" for i, v in enumerate(line) if math.isfinite(v)
        )
        width, opacity = (2.6, 1) if place == 0 else (1.4, 0.85)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colours[place]}" '
            f'stroke-width="{width}" stroke-opacity="{opacity}"/>'
        )
    return "\n".join(parts)


def _x(place: int, count: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * place / max(count - 1, 1)


def _powers(series: Sequence[NDArray[np.float64]]) -> dict[float, str]:
    """1, 3, 10, 30 … within the range."""
    values = np.concatenate(series)
    steps = [math.log10(number) for power in range(-2, 5) for number in (10.0**power, 3.0 * 10.0**power)]
    return {step: f"×{10**step:.3g}" for step in steps if values.min() <= step <= values.max() or step == 0.0}


def _legend(names: Sequence[str], colours: Sequence[str]) -> str:
    parts, x = [], LEFT
    for name, colour in zip(names, colours, strict=True):
        parts.append(
            f'<rect x="{x}" y="6" width="22" height="5" rx="2" fill="{colour}"/>'
            f'<text x="{x + 28}" y="14" fill="{TEXT}">{escape(name)}</text>'
        )
        x += 60 + 9 * len(name)
    return "\n".join(parts)


def _years(dates: Sequence[str], kept: NDArray[np.intp]) -> str:
    """A label where a year begins."""
    parts, bottom = [], 684
    year = dates[int(kept[0])][:4] if kept.size else ""
    for place, day in enumerate(kept.tolist()):
        if dates[day][:4] != year:
            year = dates[day][:4]
            x = _x(place, kept.size)
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="46" y2="662" '
                f'stroke="{QUIET}" stroke-opacity="0.25" stroke-dasharray="3 4"/>'
                f'<text x="{x:.1f}" y="{bottom}" text-anchor="middle" fill="{TEXT}">{year}</text>'
            )
    return "\n".join(parts)
