"""A breach is answered within half a second of its block: ``make breaches N=1000``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.devnet import local_chain as devnet
from tests.faults.breaches import breaches, prepare, table
from tests.faults.fixtures import Stage
from tests.faults.processes import ForkServer
from tests.servers.geth_proxy import geth_proxy

COUNT = int(os.environ.get("KEEPER_BREACHES", "2"))
SEED = int(os.environ.get("KEEPER_SEED", "1"))
QUIET = 10
P99_S = 0.5
WITH_OTHERS_S = 10.0
"""The short run shares the machine with other tests, so it proves the answer and not its time."""


@pytest.fixture
def first_journal(price_history: Path, tmp_path: Path) -> str:
    shutil.copy(price_history, tmp_path / "base.db")
    return f"sqlite:///{tmp_path / 'base.db'}"


@pytest.fixture
def calm(keepers: ForkServer, first_journal: str, tmp_path: Path) -> Iterator[Stage]:
    with (
        devnet.running(devnet.load_history(None, None), lambda _: None, put_back=True) as (_, built),
        geth_proxy(built.deployment.rpc_url) as proxy,
    ):
        yield Stage(built, proxy, keepers, tmp_path, first_journal)


def test_row_86_from_the_block_that_shows_a_breach_to_the_signed_attempt(
    calm: Stage, first_journal: str, capsys: pytest.CaptureFixture[str]
) -> None:
    crash = prepare(calm, first_journal)
    measured = []
    for one in breaches(calm, crash, count=COUNT, seed=SEED):
        measured.append(one)
        if COUNT > QUIET and len(measured) % QUIET == 0:
            with capsys.disabled():
                sys.stderr.write(f"\r{len(measured)} breaches")
    if COUNT > QUIET:
        with capsys.disabled():
            sys.stdout.write(table(measured))
    assert [problem for one in measured for problem in one.broken] == []
    signed = sorted(one.signed_s for one in measured)
    assert signed[int(0.99 * len(signed))] <= (P99_S if COUNT > QUIET else WITH_OTHERS_S)
