"""The chain of tests/chain, for faults; and a stage for scenarios that are told on a chain of their own."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from keeper.devnet import local_chain as devnet
from tests.chain.conftest import chain, deployment_file, world
from tests.chain.conftest import fork as cash_fork
from tests.chain.keeper_command import keeper, price_history
from tests.faults.fixtures import Stage, Trial
from tests.faults.lending_market import first_journal, fork, levered, levered_start, market
from tests.faults.price_faults import alone
from tests.faults.processes import Ended, ForkServer, Running, warm_keepers
from tests.servers.geth_proxy import geth_proxy

HOURLY = ("run", "--live", "--every", "1h")

__all__ = [
    "alone",
    "cash_fork",
    "chain",
    "deployment_file",
    "first_journal",
    "fork",
    "keeper",
    "levered",
    "levered_start",
    "market",
    "price_history",
    "world",
]


@pytest.fixture(scope="session")
def keepers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """The server that starts keepers, once per run: its imports take seconds."""
    with warm_keepers(tmp_path_factory.mktemp("keepers")) as fork_server:
        yield fork_server


@pytest.fixture(scope="module")
def stage(
    keepers: ForkServer, price_history: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """Not a fork: Anvil cannot reorganise one without leaving parts of the old state. Once per module: once per
    run takes no less time."""
    folder = tmp_path_factory.mktemp("stage")
    shutil.copy(price_history, folder / "base.db")
    with (
        devnet.running(devnet.load_history(None, None), lambda _: None, put_back=True) as (_, built),
        geth_proxy(built.deployment.rpc_url) as proxy,
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


@pytest.fixture
def shell(trial: Trial, tmp_path: Path) -> Iterator[Callable[..., Ended]]:
    """Commands of another process with the daemon's settings, in a directory of its own."""
    with ExitStack() as stack:
        other = ForkServer(tmp_path)
        stack.callback(other.close)
        yield lambda *arguments: other.run(arguments, trial.environment)
