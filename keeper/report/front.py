"""The picture of a sweep: what candidates cost against how well they hold their target. SVG, legible on light and
dark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from keeper.report.colours import QUIET, STRATEGY
from keeper.report.picture import FONT, TEXT

WIDTH, HEIGHT = 1200, 560
LEFT, RIGHT, TOP, BOTTOM = 84, 40, 46, 64
ACROSS = "cost, bps of NAV a year"
UP = "30-day volatility off its target, root mean square of log(realised / target)"
TICKS = 6
MARGIN = 0.06
"""Of the range of an axis, at both of its ends."""


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A candidate: its number, cost in bps a year, distance from the target and settings in words. ``best``: no other
    one beats it in both."""

    number: int
    cost_bps: float
    missed_target: float
    words: str
    best: bool


def write_front(points: Sequence[FrontPoint], file: Path) -> None:
    """Deterministic bytes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(front_picture(points), encoding="utf-8")


def front_picture(points: Sequence[FrontPoint]) -> str:
    """The SVG document. Each candidate is a point with its number, a line joins the best."""
    across = _Axis([point.cost_bps for point in points], LEFT, WIDTH - RIGHT)
    up = _Axis([point.missed_target for point in points], HEIGHT - BOTTOM, TOP)
    front = sorted((point for point in points if point.best), key=lambda point: point.cost_bps)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" {FONT}>',
        f'<text x="{LEFT}" y="{TOP - 20}" fill="{TEXT}">{UP}</text>',
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 14}" text-anchor="end" fill="{TEXT}">{ACROSS}</text>',
    ]
    for value in across.ticks():
        x = across(value)
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{TEXT}" '
            'stroke-opacity="0.2"/>'
            f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle" fill="{TEXT}">{value:.0f}</text>'
        )
    for value in up.ticks():
        y = up(value)
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{TEXT}" '
            'stroke-opacity="0.2"/>'
            f'<text x="{LEFT - 8}" y="{y + 5:.1f}" text-anchor="end" fill="{TEXT}">{value:.3f}</text>'
        )
    line = " ".join(f"{across(point.cost_bps):.1f},{up(point.missed_target):.1f}" for point in front)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{STRATEGY}" stroke-width="2"/>')
    for point in sorted(points, key=lambda point: point.number):
        x, y = across(point.cost_bps), up(point.missed_target)
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" fill="{STRATEGY if point.best else QUIET}">'
            f"<title>{escape(point.words)}</title></circle>"
            f'<text x="{x + 9:.1f}" y="{y - 7:.1f}" fill="{TEXT}">{point.number}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


class _Axis:
    """Maps values to pixels from ``start`` to ``end``."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        low, high = min(values), max(values)
        margin = MARGIN * (high - low) or 1.0
        self._low, self._high = low - margin, high + margin
        self._start, self._end = start, end

    def __call__(self, value: float) -> float:
        part = (value - self._low) / (self._high - self._low)
        return self._start + part * (self._end - self._start)

    def ticks(self) -> list[float]:
        step = (self._high - self._low) / TICKS
        return [self._low + step * place for place in range(1, TICKS)]
