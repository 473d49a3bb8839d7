"""The document has everything that the content has."""

from __future__ import annotations

import math
import re
from dataclasses import replace

from keeper.views.trend import trend_point
from keeper.web.chart import LEFT
from keeper.web.content import page_of
from keeper.web.render import rendered
from tests.factories import NOW
from tests.web.readings import a_reading
from tests.web.scene import EVERY_S, a_look, daemon_after

CYCLES = 1_000
DRAWN = re.compile(r'<path class="\w+" d="(M[^"]*)"/>\n')


def test_a_line_of_a_thousand_cycles_reaches_the_right_edge() -> None:
    look = a_look()
    point = trend_point(look)
    trend = tuple(
        replace(point, at=NOW + place * EVERY_S, leverage=1.5 + 0.2 * math.sin(place / 9))
        for place in range(CYCLES)
    )
    html = rendered(page_of(a_reading(look, trend=trend), daemon_after([look]), NOW + CYCLES * EVERY_S))
    paths = DRAWN.findall(html)
    assert len(paths) == 8
    for path in paths:
        places = [float(x) for x in re.findall(r"[ML]([\d.]+) ", path)]
        assert places[0] == LEFT
        assert places[-1] >= 391


def test_the_headings_say_when_the_numbers_were_read() -> None:
    look = a_look()
    html = rendered(page_of(a_reading(look), daemon_after([look]), NOW + 5 * 3_600))
    assert "<h2>At 2023-06-15 12:00:00 UTC, 5 h ago</h2>" in html
    for name in ("Holdings", "Feeds", "Venues and nodes", "Fire drill", "Vault and keeper"):
        assert re.search(
            rf'<h2>{name} <span class="when">at 2023-06-15 12:00:00 UTC, 5 h ago</span></h2>', html
        )
    assert ">age then</th>" in html
