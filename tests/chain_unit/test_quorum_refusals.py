"""A node that refuses a request is no liar."""

from __future__ import annotations

import pytest

from keeper.domain.errors import RpcError
from tests.chain_unit.told_nodes import ANSWERED, READ, Told, nodes_of


def test_a_node_that_refuses_a_method_is_not_distrusted_for_it() -> None:
    told = [Told(error=(-32601, "Method not found")), Told(), Told()]
    nodes = nodes_of(told)
    nodes.head()
    assert nodes.batch(READ) == ANSWERED
    told[0].error = None
    assert nodes.batch(READ) == ANSWERED
    assert told[0].asked.count("eth_call") == 2


def test_a_refusal_that_leaves_too_few_for_a_quorum_is_the_answer() -> None:
    nodes = nodes_of([Told(), Told(error=(-38026, "Client adjustable limit reached"))])
    nodes.head()
    with pytest.raises(RpcError, match="-38026"):
        nodes.batch(READ)


def test_a_revert_against_results_is_a_lie_and_not_a_refusal() -> None:
    nodes = nodes_of([Told(error=(3, "execution reverted")), Told(), Told()])
    nodes.head()
    assert nodes.batch(READ) == ANSWERED
    assert "execution reverted" in nodes.uses[0].note
