"""A local chain with the real protocols, once per run; a fork of it; a clean slate per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keeper.devnet import local_chain as devnet
from keeper.devnet.depositor import HOUR, Depositor
from keeper.devnet.local_chain import LocalChain
from tests.chain.blueprints import let_pools_age
from tests.chain.keeper_command import JOURNAL, Run, first_journal, keeper, price_history
from tests.chain.restored import restored

__all__ = ["first_journal", "keeper", "price_history"]


@pytest.fixture(scope="session")
def world() -> Iterator[LocalChain]:
    """The generated market, so that these tests need no data. Do not change it: use ``chain``."""
    with devnet.running(devnet.load_history(None, None), lambda _: None) as (_, built):
        yield built


@pytest.fixture(scope="session")
def fork(world: LocalChain) -> Iterator[LocalChain]:
    """A fork of ``world``. Do not change it: use ``chain``."""
    with devnet.forked(world, put_back=True) as (_, copy):
        yield copy


@pytest.fixture
def chain(fork: LocalChain) -> Iterator[LocalChain]:
    """The fork, put back as it was after the test."""
    with restored(fork.deployment.rpc_url):
        yield fork


@pytest.fixture
def deployment_file(chain: LocalChain, tmp_path: Path) -> Path:
    """A deployment file that points a keeper to ``chain``."""
    path = tmp_path / "deployment.json"
    chain.deployment.write(path)
    return path


@pytest.fixture
def no_journal(keeper: Run, tmp_path: Path) -> None:
    """A first start."""
    (tmp_path / JOURNAL).unlink()


@pytest.fixture
def depositor(chain: LocalChain) -> Depositor:
    return Depositor(chain, chain.deployment.accounts["depositor"])


@pytest.fixture
def stranger(chain: LocalChain) -> Depositor:
    return Depositor(chain, chain.deployment.accounts["stranger"])


@pytest.fixture
def levered(keeper: Run, chain: LocalChain) -> Run:
    """After a first rebalance and two hours."""
    assert keeper("rebalance", "--execute").code == 0
    chain.pass_time(2 * HOUR)
    return keeper


@pytest.fixture(scope="session")
def aged_fork(world: LocalChain) -> Iterator[LocalChain]:
    """A fork whose pools can be listed. Do not change it: use ``aged_chain``."""
    with devnet.forked(world, put_back=True) as (_, copy):
        let_pools_age(copy)
        yield copy


@pytest.fixture
def aged_chain(aged_fork: LocalChain) -> Iterator[LocalChain]:
    """A chain whose pools can be listed, put back as it was after the test."""
    with restored(aged_fork.deployment.rpc_url):
        yield aged_fork
