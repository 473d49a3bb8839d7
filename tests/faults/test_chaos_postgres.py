"""As test_chaos, with the journal in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.devnet import world as devnet
from tests.databases import fresh_database
from tests.faults.campaign import KILLS as SQLITES
from tests.faults.campaign import nobody_noticed, run
from tests.faults.processes import warm_keepers
from tests.faults.scene import Stage
from tests.servers.geth_proxy import geth_proxy

pytestmark = pytest.mark.slow

KILLS = min(SQLITES // 2, 100)
TIMES = 1
"""At the least, at every failpoint. SQLite, which is quicker, has more of both."""


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
    nobody_noticed(run(stage, KILLS, TIMES, capsys), KILLS, TIMES)
