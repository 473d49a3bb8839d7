"""Faults of docs/faults.md between the keeper and its nodes: three of them on real sockets before one real chain, and the real
command. Each test is named after its row; 39 is in test_send_rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from keeper.devnet.anvil import anvil
from tests.faults.fixtures import Trial
from tests.faults.processes import Ended
from tests.servers.dialects import UNUSABLE_SIMULATION, without_simulation
from tests.servers.faulty_node import FaultyNode, faulty_node

READS = "eth_call"
EVERYTHING = "*"


@pytest.fixture
def three(trial: Trial) -> Iterator[list[FaultyNode]]:
    with ExitStack() as stack:
        yield [stack.enter_context(faulty_node(trial.proxy.url)) for _ in range(3)]


def run(trial: Trial, nodes: Sequence[FaultyNode | str], *arguments: str) -> Ended:
    urls = [node if isinstance(node, str) else node.url for node in nodes]
    return trial.run(*arguments, more={"KEEPER_RPC_URL": ",".join(urls)})


def looked(trial: Trial, nodes: Sequence[FaultyNode]) -> Ended:
    """A simulation, of which no row is kept."""
    urls = ",".join(node.url for node in nodes)
    arguments = ("rebalance", "--simulate", "--json")
    return trial.fork_server.run(arguments, {**trial.environment, "KEEPER_RPC_URL": urls})


def notes(ended: Ended) -> list[str]:
    return [node["note"] for node in ended.record["nodes"]]


def sent(ended: Ended) -> None:
    assert ended.exit_code == 0, ended.out + ended.err
    assert ended.record["outcome"] == "SENT"


def nothing_sent(trial: Trial, ended: Ended, exit_code: int) -> None:
    assert ended.exit_code == exit_code, ended.out + ended.err
    assert trial.proxy.arrived == []
    assert trial.vault().epoch == 0


def doubled(result: Any) -> Any:
    """A lie that decodes: one byte of every word is another."""
    return result[:-1] + ("1" if result[-1] == "0" else "0") if isinstance(result, str) else result


def test_three_nodes_that_agree_rebalance_once_and_are_reported(
    trial: Trial, three: list[FaultyNode]
) -> None:
    ended = run(trial, three)
    sent(ended)
    assert trial.vault().epoch == 1
    assert {one.tx_hash for one in trial.proxy.arrived} == {ended.record["receipt"]["tx_hash"]}
    assert ended.record["quorum"] == 2
    used = ended.record["nodes"]
    assert len(used) == 3
    assert notes(ended) == ["", "", ""]
    assert all(node["round_trips"] > 0 and node["bytes_received"] > 0 for node in used)


def test_row_33_a_node_of_another_chain_signs_nothing_alone_and_is_outvoted_among_three(
    trial: Trial, three: list[FaultyNode]
) -> None:
    three[0].fault("eth_chainId", "lie", change=lambda _: hex(5))
    nothing_sent(trial, run(trial, three[:1]), 2)
    ended = run(trial, three)
    sent(ended)
    assert "is on chain" in notes(ended)[0]


@pytest.mark.parametrize("status", [429, 503])
def test_row_34_a_node_that_limits_or_fails_is_passed_over(
    trial: Trial, three: list[FaultyNode], status: int
) -> None:
    three[0].fault(EVERYTHING, "status", status=status)
    ended = run(trial, three)
    sent(ended)
    assert f"HTTP {status}" in notes(ended)[0] or "not asked for" in notes(ended)[0]
    assert len(three[0].asked) < len(three[1].asked)


def test_row_34_a_single_node_is_asked_again_after_a_while(trial: Trial, three: list[FaultyNode]) -> None:
    three[0].fault(EVERYTHING, "status", count=2, status=429)
    sent(run(trial, three[:1]))


def test_row_34_a_node_that_never_answers_is_not_waited_for(trial: Trial, three: list[FaultyNode]) -> None:
    three[1].fault(READS, "hold")
    sent(run(trial, three))


def test_row_35_a_node_that_lags_is_left_out_and_the_journals_nonce_wins(
    trial: Trial, three: list[FaultyNode]
) -> None:
    """A second Anvil stands where the chain was before the first rebalance: to it the key is unused."""
    with anvil(fork_url=trial.proxy.upstream) as behind:
        sent(run(trial, three[:1]))
        trial.proxy.mine(3)
        ended = run(trial, [behind.url, *three[1:]])
        assert ended.exit_code == 0, ended.out + ended.err
        assert "behind" in notes(ended)[0]
        assert trial.vault().epoch == 1
        assert trial.pauses() == ()


def test_row_36_one_node_that_lies_is_outvoted(trial: Trial, three: list[FaultyNode]) -> None:
    honest = looked(trial, three)
    three[0].fault(READS, "lie", change=doubled)
    lied_to = looked(trial, three)
    assert lied_to.record["plan"] == honest.record["plan"]
    assert "another answer than 2 other nodes" in notes(lied_to)[0]
    sent(run(trial, three))


def test_row_36_one_liar_of_two_stops_everything(trial: Trial, three: list[FaultyNode]) -> None:
    three[0].fault(READS, "lie", change=doubled)
    nothing_sent(trial, run(trial, three[:2]), 4)


def test_row_37_the_honest_nodes_are_down_and_one_alone_is_not_believed(
    trial: Trial, three: list[FaultyNode]
) -> None:
    for node in three[:2]:
        node.fault(EVERYTHING, "drop")
    ended = run(trial, three)
    nothing_sent(trial, ended, 3)
    assert "1 of 3 nodes answer" in ended.record["reason"]


@pytest.mark.parametrize("how", ["garbage", "wrong_id", "truncated", "huge"])
def test_row_38_nonsense_is_rejected_alone_and_outvoted_among_three(
    trial: Trial, three: list[FaultyNode], how: str
) -> None:
    three[0].fault(READS, how)
    nothing_sent(trial, run(trial, three[:1]), 4)
    sent(run(trial, three))


@pytest.mark.parametrize("client", UNUSABLE_SIMULATION)
def test_row_77_a_node_that_refuses_eth_simulatev1_rebalances_by_eth_call(
    trial: Trial, three: list[FaultyNode], client: str
) -> None:
    three[0].dialect = without_simulation(client)
    ended = run(trial, three[:1])
    sent(ended)
    assert ended.record["simulation"]["method"] == "eth_call"
    assert "simulated by eth_call instead" in ended.err


def test_row_77_of_two_that_must_agree_one_refuses_and_both_are_asked_by_eth_call(
    trial: Trial, three: list[FaultyNode]
) -> None:
    three[0].fault("eth_simulateV1", "status", status=403)
    ended = run(trial, three[:2])
    sent(ended)
    assert ended.record["simulation"]["method"] == "eth_call"
