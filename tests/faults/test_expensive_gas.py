"""An emergency through a node with geth's default rules, at every gas price of the last years: no more than 1 ETH for one
transaction, a tenth more for a replacement, and a limit on batches."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from keeper.devnet import local_chain as devnet
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import read_vault
from tests.faults.fixtures import WITHOUT_OPTION_MARKETS, Stage, Trial
from tests.faults.processes import ForkServer
from tests.faults.ten_assets import TEN, chain_of_ten
from tests.servers.geth_proxy import FEE_CAP_WEI, geth_proxy

GWEI = 10**9
BASE_FEES_GWEI = (1, 20, 60, 122, 222, 300, 450)
"""``make tables TESTS=tests/faults/test_expensive_gas.py`` tries all of them, the suite every third."""
MOST_CALLS = 12
BY_HAND = ("deleverage", "--execute", "--json")
BUDGETS_OF_TEN = json.dumps([{"symbol": symbol, "budget": 0.1} for symbol in TEN])


@contextmanager
def chain_of_four() -> Iterator[LocalChain]:
    with devnet.running(devnet.load_history(None, None), lambda _: None, put_back=True) as (_, built):
        yield built


@pytest.fixture(scope="module", params=[4, 10], ids=["four assets", "ten assets"])
def levered_stage(
    request: pytest.FixtureRequest, keepers: ForkServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder, ten = tmp_path_factory.mktemp("expensive"), request.param == 10
    with (
        chain_of_ten() if ten else chain_of_four() as built,
        geth_proxy(built.deployment.rpc_url) as proxy,
    ):
        assets = BUDGETS_OF_TEN if ten else WITHOUT_OPTION_MARKETS
        yield Stage(built, proxy, keepers, folder, f"sqlite:///{folder / 'base.db'}", assets)


@pytest.fixture
def trial(levered_stage: Stage) -> Iterator[Trial]:
    with levered_stage.trial() as one:
        one.lever()
        one.proxy.arrived.clear()
        yield one
        assert one.check() == []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "base_fee_gwei" in metafunc.fixturenames:
        step = 1 if metafunc.config.getoption("--tables") else 3
        metafunc.parametrize("base_fee_gwei", BASE_FEES_GWEI[::step])


def test_row_72_an_emergency_is_mined_at_every_base_fee_whole_or_in_parts(
    trial: Trial, base_fee_gwei: int, show: Callable[[str], None]
) -> None:
    """Each call repays, offers at most 1 ETH, could be replaced three times, and is sent three times at most."""
    owed, calls = read_vault(trial.world).debt_usd, 0
    assert owed > 0
    while owed:
        trial.proxy.next_base_fee(base_fee_gwei * GWEI)
        ended = trial.run(*BY_HAND)
        calls += 1
        assert ended.record["outcome"] == "SENT", ended.record["reason"]
        before, owed = owed, read_vault(trial.world).debt_usd
        assert owed < before
        assert calls <= MOST_CALLS
    arrived = trial.proxy.arrived
    offered = max(one.gas * one.max_fee for one in arrived)
    show(
        f"{base_fee_gwei} gwei: {calls} calls, {len(arrived)} sends, at most {offered / 1e18:.3f} ETH offered"
    )
    assert offered <= FEE_CAP_WEI
    assert max(Counter(one.raw for one in arrived).values()) <= 3
    assert max(Counter(one.nonce for one in arrived).values()) <= 3
    assert all(one.max_fee >= base_fee_gwei * GWEI for one in arrived)
