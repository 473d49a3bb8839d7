"""The whole cycle on Hardhat's node, which is another implementation of the RPC than Anvil, and on both as a quorum."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.devnet import local_chain as devnet
from keeper.devnet.local_chain import LocalChain
from tests.chain.keeper_command import Run
from tests.servers.hardhat_node import Follower, HardhatNode, following, hardhat


@pytest.fixture(scope="module")
def fork() -> Iterator[LocalChain]:
    """No fork here: a fork does not dump the state that it has not read yet."""
    with devnet.running(devnet.load_history(None, None), lambda _: None, put_back=True) as (_, built):
        yield built


@pytest.fixture(scope="module")
def started(fork: LocalChain) -> Iterator[HardhatNode]:
    with hardhat(fork.deployment.rpc_url) as node:
        yield node


@pytest.fixture
def second(started: HardhatNode, chain: LocalChain) -> Iterator[HardhatNode]:
    """With the chain's state, which every test finds as it was built."""
    before = started.rpc("evm_snapshot")
    yield started
    started.rpc("evm_setAutomine", True)
    assert started.rpc("evm_revert", before)


@pytest.fixture
def both(second: HardhatNode, chain: LocalChain, monkeypatch: pytest.MonkeyPatch) -> Iterator[Follower]:
    """The keeper's two nodes, which must agree."""
    upstream = chain.deployment.rpc_url
    with following(second, upstream) as (url, follower):
        monkeypatch.setenv("KEEPER_RPC_URL", f"{upstream},{url}")
        monkeypatch.setenv("KEEPER_RPC_QUORUM", "2")
        yield follower


def cycles(keeper: Run) -> None:
    """Look, simulate, send, read back; then hold; then repay the debt."""
    before = keeper("status", "--json")
    assert before.code == 2, before.out + before.err  # no journal yet
    assert before.json()["epoch"] == 0
    simulated = keeper("rebalance", "--simulate", "--json").json()
    assert (simulated["outcome"], simulated["simulation"]["method"]) == ("WOULD_SEND", "eth_call")
    sent = keeper("rebalance", "--execute", "--json")
    assert (sent.code, sent.json()["outcome"]) == (0, "SENT"), sent.out + sent.err
    assert all(check["passed"] for check in sent.json()["post_trade"])
    after = keeper("status", "--json").json()
    assert after["epoch"] == 1
    assert after["leverage"] == pytest.approx(sent.json()["target_leverage"], rel=0.02)
    assert keeper("rebalance", "--simulate", "--json").json()["action"] == "HOLD"


@pytest.mark.usefixtures("no_journal")
def test_the_whole_cycle_passes_on_hardhat(
    keeper: Run, second: HardhatNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPER_RPC_URL", second.url)
    cycles(keeper)


@pytest.mark.usefixtures("no_journal")
def test_the_whole_cycle_passes_on_a_quorum_of_anvil_and_hardhat(keeper: Run, both: Follower) -> None:
    cycles(keeper)
    assert {"eth_call", "eth_estimateGas", "eth_getTransactionReceipt"} <= set(both.answered)
