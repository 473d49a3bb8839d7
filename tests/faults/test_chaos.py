"""Rows 1 to 6, told many times over. KEEPER_KILLS asks for more (`make chaos KILLS=1000`), KEEPER_SEED for another order."""

from __future__ import annotations

import pytest

from keeper.runtime.failpoints import Failpoint
from tests.faults.campaign import KILLS, nobody_noticed, run
from tests.faults.scene import Stage
from tests.faults.stories import STORIES

pytestmark = pytest.mark.slow

TIMES = 2
"""At the least, at every failpoint."""


def test_every_failpoint_has_a_story() -> None:
    assert {story.failpoint for story in STORIES} == set(Failpoint)


def test_nobody_notices_who_was_killed(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    nobody_noticed(run(stage, KILLS, TIMES, capsys), KILLS, TIMES)
