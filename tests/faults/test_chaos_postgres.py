"""As test_chaos, with the journal in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.devnet import local_chain as devnet
from tests.databases import fresh_database
from tests.faults.campaign import KILLS as SQLITES
from tests.faults.campaign import QUIET, require_no_difference, run
from tests.faults.fixtures import Stage
from tests.faults.processes import ForkServer
from tests.servers.geth_proxy import geth_proxy

pytestmark = pytest.mark.slow

KILLS = min(SQLITES // 3, 100)
"""The run on SQLite is faster and has more kills."""
TIMES = int(SQLITES > QUIET)
"""Minimum number of kills at every failpoint; the suite's few kills are at the first ones of the order."""


@pytest.fixture(scope="module")
def stage(
    postgres_server: str, keepers: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    with (
        devnet.running(devnet.load_history(None, None), lambda _: None, put_back=True) as (_, built),
        geth_proxy(built.deployment.rpc_url) as proxy,
    ):
        yield Stage(built, proxy, keepers, folder, fresh_database(postgres_server))


def test_killed_keepers_end_where_their_twins_end(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    require_no_difference(run(stage, KILLS, TIMES, capsys), KILLS, TIMES)
