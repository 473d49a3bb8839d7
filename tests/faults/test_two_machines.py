"""Two machines for one vault: whatever happens to the leader, the other one takes over, and nothing happens twice.

``make takeovers N=50`` plays each fault fifty times, at every point of sending, with the lease of the shipped settings.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.databases import fresh_database
from tests.faults.fixtures import Stage
from tests.faults.processes import ForkServer, warm_keepers
from tests.faults.two_machines import (
    CUT_OFF,
    FROZEN,
    IDLE,
    KILLED,
    MOMENTS,
    Takeover,
    chain_of_faults,
    pair,
    takeover,
)

TIMES = int(os.environ.get("KEEPER_TAKEOVERS", "0"))
LEASE_S = float(os.environ.get("KEEPER_TAKEOVER_LEASE_S", "2"))
LONGEST_S = 15.0
OF_A_CUT = (MOMENTS[0], IDLE)


@pytest.fixture(scope="module")
def shared(
    stage: Stage, keepers: ForkServer, postgres_server: str, tmp_path_factory: pytest.TempPathFactory
) -> Stage:
    """The chain of the other scenarios, with a journal in PostgreSQL."""
    folder = tmp_path_factory.mktemp("shared")
    return Stage(stage.world, stage.proxy, keepers, folder, fresh_database(postgres_server))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """The second machine's processes."""
    with warm_keepers(tmp_path_factory.mktemp("second")) as keepers:
        yield keepers


def played(shared: Stage, others: ForkServer, fault: str, folder: Path) -> list[Takeover]:
    moments = OF_A_CUT if fault == CUT_OFF else MOMENTS
    takeovers = []
    for number in range(TIMES):
        with shared.trial() as trial, pair(trial, others, folder, LEASE_S) as made:
            takeovers.append(takeover(made, fault, moments[number % len(moments)]))
    return takeovers


def required(takeovers: Sequence[Takeover]) -> None:
    assert [problem for one in takeovers for problem in one.broken] == []
    assert sum(one.doubles for one in takeovers) == 0
    assert max(one.acted_s for one in takeovers) <= LONGEST_S


def table(takeovers: Sequence[Takeover]) -> str:
    lines = [f"\n{takeovers[0].fault}: {len(takeovers)} takeovers, lease {LEASE_S:g} s"]
    for what, times in (
        ("leads after", sorted(one.led_s for one in takeovers)),
        ("first cycle ended after", sorted(one.acted_s for one in takeovers)),
    ):
        middle, high = times[len(times) // 2], times[min(len(times) - 1, int(len(times) * 0.99))]
        lines.append(f"  {what:<24} median {middle:5.2f} s, p99 {high:5.2f} s, max {times[-1]:5.2f} s")
    lines.append(f"  double rebalances        {sum(one.doubles for one in takeovers)}")
    return "\n".join(lines) + "\n"


def test_rows_87_to_88_a_leader_that_freezes_is_cut_off_or_killed_is_followed(
    shared: Stage, others: ForkServer, tmp_path: Path
) -> None:
    with shared.trial() as trial, pair(trial, others, tmp_path, LEASE_S) as made:
        required([chain_of_faults(made)])


@pytest.mark.slow
@pytest.mark.skipif(not TIMES, reason="make takeovers N=50")
@pytest.mark.parametrize("fault", [KILLED, FROZEN, CUT_OFF])
def test_takeovers(
    shared: Stage, others: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    takeovers = played(shared, others, fault, tmp_path)
    with capsys.disabled():
        sys.stdout.write(table(takeovers))
    required(takeovers)
