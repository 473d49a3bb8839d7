"""Rows 1 to 6 of docs/faults.md, many times over. KEEPER_KILLS sets how many kills (`make chaos KILLS=1000`), KEEPER_SEED
their order."""

from __future__ import annotations

import pytest

from keeper.runtime.failpoints import Failpoint
from tests.faults.campaign import KILLS, require_no_difference, run
from tests.faults.fixtures import Stage
from tests.faults.kill_scenarios import KILL_SCENARIOS

pytestmark = pytest.mark.slow

TIMES = 1
"""Minimum number of kills at every failpoint."""


def test_every_failpoint_has_a_story() -> None:
    assert {scenario.failpoint for scenario in KILL_SCENARIOS} == set(Failpoint)


def test_killed_keepers_end_where_their_twins_end(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    require_no_difference(run(stage, KILLS, TIMES, capsys), KILLS, TIMES)
