"""Lines over time as SVG. Colours and strokes are classes of the stylesheet, so a page needs no inline style."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from keeper.views.formats import UNKNOWN

WIDTH, HEIGHT = 400, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 10, 24
COLUMNS = WIDTH - LEFT - RIGHT
TICKS = 4
MARGIN = 0.06
"""Part of the range that stays free above and below the lines."""
LONGEST_GAP = 4.0
"""A pause between two cycles longer than this many usual ones breaks the line, if it is long for the schedule too:
between two looks of the schedule there may be many that watch the blocks."""
LONGEST_WAIT = 3.0
"""In steps of the schedule."""
DAY_S = 86_400

Numbers = Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Times:
    """When the cycles began, Unix seconds, the oldest first. ``step_s``: how long the schedule waits between two
    looks."""

    began: Sequence[float]
    step_s: float = 0.0

    @property
    def longest_pause_s(self) -> float:
        """Without a break of the line."""
        pauses = sorted(later - earlier for earlier, later in pairwise(self.began))
        usual = pauses[len(pauses) // 2] if pauses else math.inf
        return max(LONGEST_GAP * usual, LONGEST_WAIT * self.step_s)


@dataclass(frozen=True, slots=True)
class ChartLine:
    """``kind`` is ``now``, ``target``, ``limit`` or ``alarm``, which the stylesheet draws differently."""

    kind: str
    name: str
    values: Numbers


@dataclass(frozen=True, slots=True)
class DrawnLine:
    kind: str
    name: str
    newest: str
    path: str


@dataclass(frozen=True, slots=True)
class Tick:
    """``place`` is in units of the drawing."""

    place: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """``summary`` says in one sentence what the lines show."""

    name: str
    title: str
    summary: str
    lines: tuple[DrawnLine, ...]
    ticks: tuple[Tick, ...]
    times: tuple[Tick, ...]

    width, height = WIDTH, HEIGHT
    left, right, top, bottom = LEFT, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM


@dataclass(frozen=True, slots=True)
class _Scale:
    """From Unix seconds and values to places in the drawing."""

    first: float
    last: float
    low: float
    high: float

    def x(self, at: float) -> float:
        return LEFT + COLUMNS * (at - self.first) / (self.last - self.first)

    def y(self, value: float) -> float:
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - part * (HEIGHT - TOP - BOTTOM)


def chart(
    name: str,
    title: str,
    *,
    times: Times,
    lines: Sequence[ChartLine],
    text: Callable[[float], str],
    highest: float = math.inf,
) -> Chart | None:
    """None where no line has a number. The first line is the one that ``summary`` describes. What is above
    ``highest``, and infinity, is drawn at the upper edge."""
    numbers = [value for line in lines for value in line.values if value is not None and value <= highest]
    if not numbers or not times.began:
        return None
    low, high = min(numbers), max(numbers)
    margin = MARGIN * (high - low or abs(high) or 1.0)
    first, last = times.began[0], max(times.began[-1], times.began[0] + 1.0)
    floor = low - margin if low < 0 or low > margin else 0.0
    scale = _Scale(first, last, low=floor, high=high + margin)
    drawn = tuple(
        DrawnLine(
            line.kind, line.name, newest=_newest(line.values, text), path=_path(times, line.values, scale)
        )
        for line in lines
    )
    return Chart(
        name=name,
        title=title,
        summary=_summary(lines, text),
        lines=drawn,
        ticks=tuple(Tick(round(scale.y(value), 1), text(value)) for value in _round_values(scale)),
        times=_time_ticks(scale),
    )


def _path(times: Times, values: Numbers, scale: _Scale) -> str:
    """Move and line commands. Of the points in one column of the drawing the lowest and the highest stay, so that a
    dip shows however many points there are."""
    commands = []
    for run in _runs(times, values):
        points = list(_thinned([(scale.x(at), scale.y(value)) for at, value in run]))
        if len(points) == 1:
            points.append((points[0][0] + 1.5, points[0][1]))
        commands += [f"{'L' if place else 'M'}{x:.1f} {y:.1f}" for place, (x, y) in enumerate(points)]
    return "".join(commands)


def _runs(times: Times, values: Numbers) -> Iterator[list[tuple[float, float]]]:
    """The stretches without a missing number and without a long pause."""
    longest = times.longest_pause_s
    run: list[tuple[float, float]] = []
    for at, value in zip(times.began, values, strict=True):
        if run and (value is None or at - run[-1][0] > longest):
            yield run
            run = []
        if value is not None:
            run.append((at, value))
    if run:
        yield run


def _thinned(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    column: list[tuple[float, float]] = []
    for point in (*points, (math.inf, 0.0)):
        if column and (math.isinf(point[0]) or int(point[0]) != int(column[0][0])):
            kept = {
                0,
                len(column) - 1,
                *(min(range(len(column)), key=lambda it: sign * column[it][1]) for sign in (1, -1)),
            }
            yield from (column[place] for place in sorted(kept))
            column = []
        column.append(point)


def _summary(lines: Sequence[ChartLine], text: Callable[[float], str]) -> str:
    main, *others = lines
    known = [value for value in main.values if value is not None]
    parts = [f"Newest {_newest(main.values, text)}"]
    if known:
        parts.append(f"lowest {text(min(known))}, highest {text(max(known))}")
    parts += [f"{line.name} {_newest(line.values, text)}" for line in others]
    return f"{'; '.join(parts)}."


def _newest(values: Numbers, text: Callable[[float], str]) -> str:
    newest = values[-1]
    return UNKNOWN if newest is None else text(newest)


def _round_values(scale: _Scale) -> Iterator[float]:
    """Multiples of 1, 2 or 5 times a power of ten within the range."""
    rough = (scale.high - scale.low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    for count in range(math.ceil(scale.low / step), math.floor(scale.high / step) + 1):
        yield count * step


def _time_ticks(scale: _Scale) -> tuple[Tick, ...]:
    """The first time, the middle and the last one."""
    long = scale.last - scale.first > 2 * DAY_S
    form = "%d %b" if long else "%H:%M UTC"
    moments = (scale.first, (scale.first + scale.last) / 2, scale.last)
    return tuple(
        Tick(round(scale.x(at), 1), datetime.fromtimestamp(at, UTC).strftime(form)) for at in moments
    )
