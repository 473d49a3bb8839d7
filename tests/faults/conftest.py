"""The chain of tests/chain, for faults; and a stage for scenarios that are told on a chain of their own."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from keeper.devnet import local_chain as devnet
from tests.chain.conftest import chain, deployment_file, fork, world
from tests.chain.keeper_command import keeper
from tests.faults.fixtures import Stage, Trial
from tests.faults.lending_market import levered, market
from tests.faults.price_faults import alone
from tests.faults.processes import Running, warm_keepers
from tests.servers.geth_proxy import geth_proxy

HOURLY = ("run", "--live", "--every", "1h")

__all__ = ["alone", "chain", "deployment_file", "fork", "keeper", "levered", "market", "world"]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Not a fork: Anvil cannot reorganise one without leaving parts of the old state."""
    folder = tmp_path_factory.mktemp("stage")
    with (
        devnet.running(devnet.load_history(None, None), lambda _: None) as (_, built),
        geth_proxy(built.deployment.rpc_url) as proxy,
        warm_keepers(folder) as keepers,
    ):
        yield Stage(built, proxy, keepers, folder, f"sqlite:///{folder / 'base.db'}")


@pytest.fixture
def trial(stage: Stage) -> Iterator[Trial]:
    """Whatever happened: no row is lost, no nonce carries two calls, every byte had its row."""
    with stage.trial() as one:
        yield one
        assert one.check() == []


@pytest.fixture
def daemon(trial: Trial) -> Iterator[Callable[..., Running]]:
    """Starts a daemon, and ends it after the test as an operator does."""
    started: list[Running] = []

    def start(**settings: str) -> Running:
        running = trial.fork_server.start(HOURLY, trial.environment | settings)
        started.append(running)
        return running

    yield start
    for running in started:
        os.kill(running.pid, signal.SIGINT)
        ended = running.wait()
        assert ended.exit_code == 0, ended.err
        assert '"stopped"' in ended.err
