"""Two machines for one vault: whatever happens to the leader, the other one takes over, and nothing happens twice.

``make takeovers N=50`` runs the same test with the lease of the shipped settings, fifty times for each fault.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from keeper.devnet import local_chain as devnet
from tests.databases import fresh_database
from tests.faults.fixtures import Stage
from tests.faults.processes import ForkServer, warm_keepers
from tests.faults.two_machines import CUT_OFF, FROZEN, IDLE, KILLED, MOMENTS, Takeover, pair, takeover
from tests.servers.geth_proxy import geth_proxy

TIMES = int(os.environ.get("KEEPER_TAKEOVERS", "1"))
LEASE_S = float(os.environ.get("KEEPER_TAKEOVER_LEASE_S", "3"))
LONGEST_S = 15.0
OF_A_CUT = (MOMENTS[0], IDLE)


@pytest.fixture(scope="module")
def stage(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    with (
        devnet.running(devnet.load_history(None, None), lambda _: None) as (_, built),
        geth_proxy(built.deployment.rpc_url) as proxy,
        warm_keepers(folder) as keepers,
    ):
        yield Stage(built, proxy, keepers, folder, fresh_database(postgres_server))


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """The second machine's processes."""
    with warm_keepers(tmp_path_factory.mktemp("second")) as keepers:
        yield keepers


def played(stage: Stage, others: ForkServer, fault: str, folder: Path) -> list[Takeover]:
    moments = OF_A_CUT if fault == CUT_OFF else MOMENTS
    takeovers = []
    for number in range(TIMES):
        with stage.trial() as trial, pair(trial, others, folder, LEASE_S) as made:
            takeovers.append(takeover(made, fault, moments[number % len(moments)]))
    return takeovers


def required(takeovers: Sequence[Takeover], capsys: pytest.CaptureFixture[str]) -> None:
    if TIMES > 1:
        with capsys.disabled():
            sys.stdout.write(table(takeovers))
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


def test_row_87_a_killed_leader_is_followed_at_once(
    stage: Stage, others: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    required(played(stage, others, KILLED, tmp_path), capsys)


def test_row_88_a_frozen_leader_is_followed_and_wakes_up_as_a_standby(
    stage: Stage, others: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    required(played(stage, others, FROZEN, tmp_path), capsys)


def test_row_42_a_leader_that_is_cut_off_from_the_database_is_followed(
    stage: Stage, others: ForkServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    required(played(stage, others, CUT_OFF, tmp_path), capsys)
