"""What several nodes say of one key: one that lags, invents or is down changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import KeeperError, NodeUnavailable, NodeUntrusted, RpcError
from keeper.domain.tx import Payload, Receipt
from keeper.tx.fees import FeeMarket
from keeper.tx.node_pool import NodePool
from keeper.tx.ports import NodeView
from keeper.tx.quorum_merge import merge_fee_markets, merge_views
from tests.tx.node_double import a_payload

HASH = "0x" + "11" * 32


def a_receipt(**changes: Any) -> Receipt:
    receipt = Receipt(
        intent_id="one",
        tx_hash=HASH,
        block_number=100,
        block_hash="0xb100",
        succeeded=True,
        gas_used=1,
        effective_gas_price_wei=1,
        rollup_fee_wei=0,
        nav_before=None,
        nav_after=None,
    )
    return replace(receipt, **changes)


def a_view(**changes: Any) -> NodeView:
    view = NodeView(
        head=100,
        head_time=1_200,
        base_fee_wei=7,
        final_block=68,
        mined_nonce=5,
        settled_nonce=5,
        pending_nonce=5,
        epoch=3,
        receipts={},
        known=frozenset(),
        pool={},
    )
    return replace(view, **changes)


def test_nodes_that_say_the_same_are_one_node() -> None:
    one = a_view(receipts={HASH: a_receipt()}, known=frozenset({HASH}), pool={5: HASH})
    assert merge_views([one, one, one], 2) == one
    assert merge_views([one], 1) == one


def test_one_that_lags_is_not_heard() -> None:
    behind = a_view(head=90, head_time=1_080, final_block=58, mined_nonce=3, settled_nonce=3, epoch=2)
    assert merge_views([behind, a_view(), a_view()], 2) == a_view()


def test_one_that_is_ahead_or_invents_is_not_believed() -> None:
    inventing = a_view(
        head=10_000,
        final_block=9_999,
        mined_nonce=50,
        settled_nonce=50,
        pending_nonce=60,
        epoch=99,
        receipts={HASH: a_receipt()},
        known=frozenset({HASH}),
        pool={5: "0xstranger"},
    )
    assert merge_views([inventing, a_view(), a_view()], 2) == a_view()


def test_receipts_in_different_blocks_are_no_receipt() -> None:
    one, other = (
        a_view(receipts={HASH: a_receipt(block_hash=block)}, known=frozenset({HASH}))
        for block in ("0xb100", "0xf100")
    )
    assert merge_views([one, other], 2).receipts == {}
    assert merge_views([one, other, one], 2).receipts == {HASH: a_receipt()}


views = st.builds(
    a_view,
    head=st.integers(90, 110),
    mined_nonce=st.integers(0, 10),
    settled_nonce=st.integers(0, 10),
    final_block=st.integers(50, 80),
    receipts=st.sampled_from(({}, {HASH: a_receipt()}, {HASH: a_receipt(block_hash="0xf")})),
)


@given(st.lists(views, min_size=2, max_size=5), views)
def test_no_single_node_moves_a_number_past_what_the_others_support(
    honest: list[NodeView], liar: NodeView
) -> None:
    found = merge_views([*honest, liar], 2)
    assert found.mined_nonce <= max(one.mined_nonce for one in honest)
    assert found.final_block <= max(one.final_block for one in honest)
    for receipt in found.receipts.values():
        assert any(receipt in one.receipts.values() for one in honest)


def test_a_single_price_does_not_set_the_fee() -> None:
    fees = merge_fee_markets([FeeMarket(10, 1), FeeMarket(11, 2), FeeMarket(10_000, 5_000)])
    assert fees == FeeMarket(11, 2)


class Scripted:
    """A sending node that raises or answers."""

    def __init__(self, error: KeeperError | None = None, chain_id: int = 1) -> None:
        self.endpoint = "http://node"
        self.error = error
        self._chain_id = chain_id
        self.revert: bytes | None = None
        self.sent: list[str] = []

    def _or_raise(self) -> None:
        if self.error is not None:
            raise self.error

    def chain_id(self) -> int:
        self._or_raise()
        return self._chain_id

    def view(self, account: str, rebalancer: str, hashes: Any) -> NodeView:
        self._or_raise()
        return a_view()

    def balance(self, account: str) -> int:
        self._or_raise()
        return 7

    def fee_market(self) -> FeeMarket:
        self._or_raise()
        return FeeMarket(1, 1)

    def revert_data(self, payload: Payload, block: int) -> bytes | None:
        self._or_raise()
        return self.revert

    def send_raw(self, raw: str) -> None:
        self.sent.append(raw)
        self._or_raise()


def gone() -> NodeUnavailable:
    return NodeUnavailable("timed out", remedy="wait")


def refused() -> RpcError:
    return RpcError("eth_sendRawTransaction", -32000, "nonce too low", None)


def test_bytes_go_to_every_node_and_one_that_takes_them_is_enough() -> None:
    nodes = [Scripted(gone()), Scripted(), Scripted(refused())]
    NodePool(nodes, 2).send_raw("0xraw")
    assert [["0xraw"]] * 3 == [one.sent for one in nodes]


def test_where_none_takes_them_a_nodes_words_count_before_silence() -> None:
    with pytest.raises(RpcError, match="nonce too low"):
        NodePool([Scripted(gone()), Scripted(refused()), Scripted(gone())], 2).send_raw("0xraw")
    with pytest.raises(NodeUnavailable, match="timed out"):
        NodePool([Scripted(gone()), Scripted(gone())], 2).send_raw("0xraw")


def test_why_a_call_reverted_is_what_most_nodes_say() -> None:
    nodes = [Scripted(), Scripted(), Scripted()]
    nodes[0].revert, nodes[2].revert = b"late", b"late"
    assert NodePool(nodes, 2).revert_data(a_payload(), 9) == b"late"


def test_one_of_three_is_not_enough_to_look_at_a_key() -> None:
    with pytest.raises(NodeUnavailable, match="1 of 3 nodes answer, 2 must"):
        NodePool([Scripted(), Scripted(gone()), Scripted(gone())], 2).view("0xkey", "0xvault", {})


def test_a_node_of_another_chain_is_outvoted_and_two_chains_alike_are_none() -> None:
    assert NodePool([Scripted(chain_id=5), Scripted(), Scripted()], 2).chain_id() == 1
    with pytest.raises(NodeUntrusted, match="different chains: 1, 5"):
        NodePool([Scripted(chain_id=5), Scripted()], 2).chain_id()
