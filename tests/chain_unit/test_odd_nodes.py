"""One odd node of three is left out by name, and another spelling is not odd."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.chain.calls import Answers, Call, CallResult
from keeper.chain.rpc.blocks import latest_block
from keeper.chain.rpc.multicall import executed_by
from keeper.domain.errors import NodeUnavailable, NodeUntrusted, RpcError, WrongContract
from tests.chain_unit.memory_node import MULTICALL
from tests.chain_unit.told_nodes import ANSWERED, CHAIN, READ, Told, hash_of, nodes_of


@pytest.mark.parametrize("odd", [None, {}, "0x", {"number": "0x64"}, 5], ids=repr)
def test_one_odd_head_of_three_is_left_out_by_name(odd: Any) -> None:
    nodes = nodes_of([Told(), Told(head=odd), Told()])
    assert latest_block(nodes, CHAIN).number == 100
    assert nodes.batch(READ) == ANSWERED
    assert nodes.uses[1].note.startswith("eth_getBlockByNumber: ")
    assert "node1" in nodes.uses[1].note


def test_why_a_node_was_left_out_stays_until_the_next_cycle() -> None:
    told = [Told(answer=None), Told(), Told()]
    nodes = nodes_of(told)
    nodes.head()
    nodes.batch(READ)
    told[0].answer = "0x01"
    nodes.head()
    assert nodes.uses[0].note.startswith("eth_call: the result is ")
    nodes.forget_notes()
    nodes.head()
    assert nodes.uses[0].note == ""


@pytest.mark.parametrize("odd", [None, "1", "0x1", {"0x": 1}], ids=repr)
def test_one_odd_answer_of_three_is_left_out_by_name(odd: Any) -> None:
    nodes = nodes_of([Told(answer=odd), Told(), Told()])
    nodes.head()
    assert nodes.batch(READ) == ANSWERED
    assert nodes.uses[0].note.startswith("eth_call: the result is ")


def test_another_spelling_of_the_same_block_and_answer_is_no_lie() -> None:
    told = [Told(answer="0X0aBc", branch="B"), Told(answer="0x0abc", branch="b", padding="000")]
    nodes = nodes_of(told)
    assert latest_block(nodes, CHAIN).hash == hash_of("b", 100)
    assert nodes.batch(READ) == [b"\x0a\xbc"]


def test_a_limit_that_does_not_pass_is_no_answer_and_the_others_decide() -> None:
    nodes = nodes_of([Told(error=(-32007, "50/second request limit reached")), Told(), Told()])
    nodes.head()
    assert nodes.batch(READ) == ANSWERED
    assert "request limit reached" in nodes.uses[0].note


def test_nodes_that_disagree_are_named_with_the_method() -> None:
    nodes = nodes_of([Told(), Told(answer="0x0bad")])
    nodes.head()
    with pytest.raises(NodeUntrusted, match=r"eth_call of http://node\d.*, http://node\d"):
        nodes.batch(READ)


CALL = Call("decimals() of the feed 0xfeed", MULTICALL, b"", decode=lambda data: int.from_bytes(data, "big"))


def executed(answer: Any) -> Any:
    nodes = nodes_of([Told(answer=answer), Told(answer=answer)])
    nodes.head()
    return nodes.request(
        executed_by(MULTICALL, [CALL], gas=10**6, block_hash=hash_of("b", 100), overrides={})
    )


def test_calls_that_cannot_be_read_back_name_method_and_node() -> None:
    with pytest.raises(
        NodeUnavailable, match=r"eth_call: the result is '0x01', not 1 outcomes .*\(node http://node"
    ):
        executed("0x01")


def test_a_node_that_ignores_an_override_is_named_with_the_method() -> None:
    with pytest.raises(RpcError, match=r"eth_call: the node at http://node\d.* ignores the state override"):
        executed("0x")


def test_what_a_contract_should_have_answered_names_method_and_node() -> None:
    answers = Answers([CALL], [CallResult(success=False, data=b"")], "eth_call of http://node1")
    for ask_for, error in ((answers.of, NodeUntrusted), (answers.first, WrongContract)):
        with pytest.raises(error, match=r"decimals\(\) .* reverted \(eth_call of http://node1\)"):
            ask_for(CALL)
    assert "http://node1" in answers.untrusted("the block is another", remedy="").message
