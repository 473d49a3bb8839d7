"""As test_chaos, with the journal in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.devnet import world as devnet
from keeper.failpoints import Failpoint
from tests.databases import fresh_database
from tests.faults.campaign import KILLS, TIMES, nobody_noticed, run
from tests.faults.processes import warm_keepers
from tests.faults.scene import Stage
from tests.servers.geth_proxy import geth_proxy

MOST = TIMES * len(Failpoint)
"""More are asked of SQLite, which is quicker."""


@pytest.fixture(scope="module")
def stage(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    with (
        devnet.running(devnet.load_history(None, None), lambda _: None) as (_, built),
        geth_proxy(built.deployment.rpc_url) as proxy,
        warm_keepers(folder) as keepers,
    ):
        yield Stage(built, proxy, keepers, folder, fresh_database(postgres_server))


def test_nobody_notices_who_was_killed(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    kills = min(KILLS, MOST)
    nobody_noticed(run(stage, kills, capsys), kills)
