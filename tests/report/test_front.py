"""The picture of a sweep shows every candidate, and joins those that no other one beats."""

from __future__ import annotations

import re
from pathlib import Path

from keeper.report.front import FrontPoint, front_picture, write_front

POINTS = [
    FrontPoint(0, cost_bps=180.0, missed_target=0.26, words="aim = <target>", best=True),
    FrontPoint(1, cost_bps=90.0, missed_target=0.28, words="aim = boundary", best=True),
    FrontPoint(2, cost_bps=190.0, missed_target=0.30, words="aim = ellipsoid", best=False),
]


def test_every_candidate_is_a_point_and_the_line_goes_from_cheap_to_near() -> None:
    drawn = front_picture(POINTS)
    assert drawn.count("<circle") == 3
    assert "aim = &lt;target&gt;" in drawn
    line = re.search(r'<polyline points="([^"]*)"', drawn)
    assert line is not None
    corners = [tuple(map(float, pair.split(","))) for pair in line.group(1).split()]
    assert len(corners) == 2
    assert corners[0][0] < corners[1][0], "the cheaper one is left"
    assert corners[0][1] < corners[1][1], "the nearer one is below, as y grows downwards"


def test_the_file_has_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    for name, points in (("one", POINTS), ("two", POINTS[::-1])):
        write_front(points, tmp_path / f"{name}.svg")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_one_candidate_alone_is_drawn_as_well() -> None:
    assert front_picture(POINTS[:1]).count("<circle") == 1
