"""Several nodes as one: whose block, whose answer, and what happens to those who are slow, behind or lie."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.chain.rpc.blocks import latest_block
from keeper.chain.rpc.circuit_breaker import CircuitBreaker
from keeper.domain.errors import NodeUnavailable, NodeUntrusted, RpcError, WrongChain
from keeper.jsonrpc import requests as ask
from tests.chain_unit.told_nodes import ANSWERED, CHAIN, READ, TX_HASH, Clock, Told, hash_of, nodes_of
from tests.properties import examples


@pytest.fixture
def released() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_three_that_agree_are_one() -> None:
    told = [Told(), Told(), Told()]
    nodes = nodes_of(told)
    block = latest_block(nodes, CHAIN)
    assert (100, hash_of("b", 100)) == (block.number, block.hash)
    assert nodes.batch(READ) == ANSWERED
    assert sum("eth_call" in one.asked for one in told) == 2  # a quorum suffices


def test_the_block_is_the_newest_that_a_quorum_has() -> None:
    told = [Told(number=103), Told(number=101), Told(number=90)]
    nodes = nodes_of(told)
    assert latest_block(nodes, CHAIN).number == 101
    nodes.batch(READ)
    assert "eth_call" not in told[2].asked
    assert "11 block(s) behind" in nodes.uses[2].note


def test_a_node_on_another_branch_is_left_out() -> None:
    told = [Told(branch="f"), Told(), Told()]
    nodes = nodes_of(told)
    assert latest_block(nodes, CHAIN).hash == hash_of("b", 100)
    nodes.batch(READ)
    assert "eth_call" not in told[0].asked
    assert "another block 100" in nodes.uses[0].note


def test_a_liar_among_the_first_asked_is_outvoted_and_left_alone() -> None:
    told = [Told(answer="0x0bad"), Told(), Told()]
    nodes = nodes_of(told)
    latest_block(nodes, CHAIN)
    assert nodes.batch(READ) == ANSWERED
    assert "another answer" in nodes.uses[0].note
    asked = len(told[0].asked)
    assert nodes.batch(READ) == ANSWERED
    assert len(told[0].asked) == asked


@pytest.mark.parametrize(
    ("told", "error"),
    [
        ([Told(answer="0x0bad"), Told(answer="0x0b0b"), Told()], NodeUntrusted),
        ([Told(), Told(answer="0x0bad")], NodeUntrusted),
    ],
)
def test_without_a_quorum_there_is_no_answer(told: list[Told], error: type[Exception]) -> None:
    nodes = nodes_of(told)
    latest_block(nodes, CHAIN)
    with pytest.raises(error):
        nodes.batch(READ)


def test_one_left_of_three_is_not_believed_alone() -> None:
    nodes = nodes_of([Told(), Told(down=True), Told(down=True)])
    with pytest.raises(NodeUnavailable, match="1 of 3 nodes give a usable answer, but 2 must agree"):
        nodes.head()


def test_nodes_that_die_after_the_head_leave_no_answer() -> None:
    told = [Told(), Told(), Told()]
    nodes = nodes_of(told)
    nodes.head()
    told[0].down = told[1].down = True
    with pytest.raises(NodeUnavailable):
        nodes.batch(READ)


def test_one_that_dies_after_the_head_is_replaced() -> None:
    told = [Told(), Told(), Told()]
    nodes = nodes_of(told)
    nodes.head()
    told[0].down = True
    assert nodes.batch(READ) == ANSWERED


def test_one_that_never_answers_is_waited_for_once_in_a_look(
    released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keeper.chain.rpc.quorum.HEDGE_S", 0.05)
    told = [Told(), Told(), Told()]
    nodes = nodes_of(told)
    nodes.head()
    told[0].silent = released
    for _ in range(3):
        assert nodes.batch(READ) == ANSWERED
    assert told[0].asked.count("eth_call") == 1


def test_an_error_that_a_quorum_gives_is_the_answer() -> None:
    refusing = (-32601, "the method eth_simulateV1 does not exist")
    nodes = nodes_of([Told(error=refusing), Told(), Told(error=(-32601, "Method not found"))])
    nodes.head()
    with pytest.raises(RpcError) as caught:
        nodes.batch(READ)
    assert caught.value.code == -32601


def a_receipt(data: str = "0x05", **made_up: Any) -> dict[str, Any]:
    log = {"address": "0x" + "Ab" * 20, "topics": [hash_of("e", 1)], "data": data, **made_up}
    return {
        "transactionHash": TX_HASH,
        "blockHash": hash_of("b", 100),
        "blockNumber": "0x64",
        "status": "0x1",
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x7",
        "logs": [log],
        **made_up,
    }


def test_of_a_receipt_it_counts_what_contracts_said_and_not_what_a_node_adds() -> None:
    nodes = nodes_of([Told(answer=a_receipt(removed=False)), Told(answer=a_receipt(blockTimestamp="0x1"))])
    nodes.head()
    mined = nodes.request(ask.receipt(TX_HASH))
    assert mined is not None
    assert mined.logs[0].data == b"\x05"
    nodes = nodes_of([Told(answer=a_receipt()), Told(answer=a_receipt("0x06"))])
    nodes.head()
    with pytest.raises(NodeUntrusted):
        nodes.request(ask.receipt(TX_HASH))


def test_a_simulation_with_other_events_is_another_answer() -> None:
    def simulated(data: str) -> list[Any]:
        call = {"status": "0x1", "returnData": "0x", "gasUsed": "0x1"}
        return [{"calls": [call | {"logs": a_receipt(data)["logs"]}]}]

    nodes = nodes_of([Told(answer=simulated("0x05")), Told(answer=simulated("0x06"))])
    nodes.head()
    with pytest.raises(NodeUntrusted):
        nodes.request(ask.simulation({}, "latest", 1))


def test_of_gas_estimates_the_highest_counts() -> None:
    nodes = nodes_of([Told(gas=100_000), Told(gas=120_000)])
    nodes.head()
    assert nodes.request(ask.gas_estimate({}, "latest")) == 120_000


def test_a_node_of_another_chain_is_left_out_and_named_where_it_is_needed() -> None:
    nodes = nodes_of([Told(chain=5), Told(), Told()])
    assert latest_block(nodes, CHAIN).number == 100
    assert "another" in nodes.uses[0].note or "not on 1" in nodes.uses[0].note
    with pytest.raises(WrongChain):
        nodes_of([Told(chain=5), Told()]).head()


def test_addresses_are_masked_wherever_they_are_shown() -> None:
    nodes = nodes_of([Told(), Told(down=True), Told(down=True)])
    with pytest.raises(NodeUnavailable) as caught:
        nodes.head()
    assert "secretsecretsecret" not in caught.value.message + nodes.endpoint + repr(nodes.uses)


# ------------------------------------------------------- when a node is left alone


def test_three_failures_open_it_one_trial_is_let_through_and_each_wait_is_longer() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock)
    for _ in range(2):
        breaker.failed()
    assert breaker.allows
    breaker.failed()
    first = breaker.open_for_s
    assert 0 < first <= 6.25
    clock.now += first
    assert breaker.allows
    breaker.failed()
    assert breaker.open_for_s > first
    clock.now += breaker.open_for_s
    breaker.succeeded()
    assert breaker.allows
    breaker.failed()
    assert breaker.allows


def test_no_wait_is_longer_than_the_longest() -> None:
    clock = Clock()
    breaker = CircuitBreaker(clock)
    for _ in range(20):
        breaker.trip()
        assert breaker.open_for_s <= 1.25 * 300
        clock.now += breaker.open_for_s


def test_a_node_that_keeps_failing_is_asked_again_only_after_its_wait() -> None:
    clock = Clock()
    told = [Told(down=True), Told(), Told()]
    nodes = nodes_of(told, clock=clock)
    for _ in range(5):
        nodes.head()
    assert len(told[0].asked) == 2 * 3  # three tries of a batch of two
    told[0].down = False
    clock.now += 7
    nodes.forget_notes()
    nodes.head()
    assert nodes.uses[0].note == ""


# ------------------------------------------------------------------- in general

behaviour = st.builds(
    Told,
    number=st.integers(98, 102),
    branch=st.sampled_from(("b", "b", "b", "f")),
    answer=st.sampled_from(("0x01", "0x01", "0x0bad")),
    chain=st.sampled_from((CHAIN, CHAIN, CHAIN, 5)),
    down=st.sampled_from((False, False, False, True)),
)


@examples(150)
@given(st.lists(behaviour, min_size=2, max_size=5), st.integers(2, 5))
def test_what_is_answered_was_said_by_a_quorum_at_one_block(told: list[Told], quorum: int) -> None:
    quorum = min(quorum, len(told))
    nodes = nodes_of(told, quorum)
    try:
        block = latest_block(nodes, CHAIN)
        (answer,) = nodes.batch(READ)
    except (NodeUnavailable, NodeUntrusted, WrongChain):
        return
    supporters = [
        one
        for one in told
        if not one.down
        and one.chain == CHAIN
        and one.number >= block.number
        and block.hash == hash_of(one.branch, block.number)
        and one.answer == f"0x{answer.hex()}"
    ]
    assert len(supporters) >= quorum
