from __future__ import annotations

import math
import re

import pytest

from keeper.views.formats import ratio
from keeper.web.chart import HEIGHT, LEFT, TOP, WIDTH, Chart, ChartLine, Times, chart

TIMES = [float(at) for at in range(0, 9_000, 900)]


def drawn(
    *lines: ChartLine, times: list[float] = TIMES, highest: float = math.inf, step_s: float = 0.0
) -> Chart:
    made = chart("leverage", "Leverage", times=Times(times, step_s), lines=lines, text=ratio, highest=highest)
    assert made is not None
    return made


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([\d.]+) ([\d.]+)", path)]


def test_a_higher_number_is_drawn_higher_and_a_later_one_further_right() -> None:
    line = drawn(ChartLine("now", "leverage", [1.0 + 0.1 * place for place in range(10)])).lines[0]
    places = points(line.path)
    assert places == sorted(places)
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert (places[0][0], round(places[-1][0])) == (LEFT, WIDTH - 8)


def test_every_point_and_tick_is_inside_the_drawing() -> None:
    made = drawn(
        ChartLine("now", "health factor", [1.1, math.inf, None, 900.0, 1.05, 2, 2, 2, 2, 2]),
        ChartLine("limit", "floor", [1.4] * 10),
        highest=4.2,
    )
    for line in made.lines:
        for x, y in points(line.path):
            assert LEFT <= x <= WIDTH
            assert TOP <= y <= HEIGHT
    assert all(TOP <= tick.place <= HEIGHT for tick in made.ticks)


def test_a_health_factor_without_debt_is_at_the_upper_edge_and_named() -> None:
    made = drawn(ChartLine("now", "health factor", [1.5] * 9 + [math.inf]), highest=4.2)
    assert points(made.lines[0].path)[-1][1] == TOP
    assert made.lines[0].newest == "∞"


def test_a_cycle_without_a_number_and_a_long_pause_break_the_line() -> None:
    values: list[float | None] = [1.0, 1.1, None, 1.2, 1.3, 1.4, 1.5, 1.6]
    late = [*TIMES[:7], TIMES[6] + 90_000]
    path = drawn(ChartLine("now", "leverage", values), times=late).lines[0].path
    assert path.count("M") == 3


def test_looks_at_blocks_between_two_of_the_schedule_do_not_break_the_line() -> None:
    watched = [float(at) for at in range(0, 120, 12)]
    times = [*watched, 900.0, 1_800.0, 6_000.0]
    line = ChartLine("now", "leverage", [1.0] * len(times))
    assert drawn(line, times=times, step_s=900.0).lines[0].path.count("M") == 2
    assert drawn(line, times=times).lines[0].path.count("M") == 4


def test_a_dip_of_one_cycle_among_thousands_shows() -> None:
    times = [float(at) for at in range(3_000)]
    values: list[float | None] = [2.0] * 3_000
    values[1_234] = 1.01
    places = points(drawn(ChartLine("now", "health factor", values), times=times).lines[0].path)
    assert len(places) < 1_500
    assert max(y for _, y in places) > 0.8 * (HEIGHT - 24)


def test_the_summary_says_what_the_lines_show() -> None:
    made = drawn(
        ChartLine("now", "leverage", [1.0, 1.5] * 5), ChartLine("alarm", "vault's limit", [3.0] * 10)
    )
    assert made.summary == "Newest 1.500; lowest 1.000, highest 1.500; vault's limit 3.000."


def test_the_ticks_are_round_numbers_in_order() -> None:
    labels = [tick.label for tick in drawn(ChartLine("now", "leverage", [1.03, 1.97] * 5)).ticks]
    assert labels == ["1.000", "1.500", "2.000"]


@pytest.mark.parametrize("values", [[], [None], [math.inf]])
def test_without_a_number_there_is_no_chart(values: list[float | None]) -> None:
    lines = (ChartLine("now", "leverage", values),)
    assert (
        chart("leverage", "Leverage", times=Times(TIMES[: len(values)]), lines=lines, text=ratio, highest=9.0)
        is None
    )


def test_a_single_cycle_is_visible() -> None:
    assert len(points(drawn(ChartLine("now", "leverage", [1.2]), times=[1.0]).lines[0].path)) == 2
