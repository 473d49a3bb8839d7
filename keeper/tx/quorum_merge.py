"""Merges what several nodes report of one key into the part that a quorum of them supports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from keeper.domain.tx import Receipt
from keeper.tx.fees import FeeMarket
from keeper.tx.ports import NodeView

Report = TypeVar("Report", bound=Hashable)


def merge_views(views: Sequence[NodeView], quorum: int) -> NodeView:
    """Of each number that only grows, the highest value that ``quorum`` nodes have reached. Receipts, known and waiting
    transactions count if ``quorum`` nodes report them alike. One node that lags or lies changes nothing.

    There must be at least ``quorum`` views.
    """

    def reached(number: Callable[[NodeView], int]) -> int:
        return sorted(map(number, views), reverse=True)[quorum - 1]

    head = reached(lambda view: view.head)
    at_head = [view for view in views if view.head >= head]
    epochs = [view.epoch for view in views if view.epoch is not None]
    pools = [view.pool for view in views if view.pool is not None]
    return NodeView(
        head=head,
        head_time=min(view.head_time for view in at_head),
        base_fee_wei=max(view.base_fee_wei for view in at_head[:quorum]),
        final_block=reached(lambda view: view.final_block),
        mined_nonce=reached(lambda view: view.mined_nonce),
        settled_nonce=reached(lambda view: view.settled_nonce),
        pending_nonce=reached(lambda view: view.pending_nonce),
        epoch=sorted(epochs, reverse=True)[quorum - 1] if len(epochs) >= quorum else None,
        receipts=_receipts(views, quorum),
        known=frozenset(_supported((tx_hash for view in views for tx_hash in view.known), quorum)),
        pool=dict(_supported((waiting for pool in pools for waiting in pool.items()), quorum))
        if len(pools) >= quorum
        else None,
    )


def merge_fee_markets(markets: Sequence[FeeMarket]) -> FeeMarket:
    """The median of each field; the upper one of two, because a transaction that pays too little is never mined."""
    return FeeMarket(
        base_fee_wei=_upper_median([market.base_fee_wei for market in markets]),
        tip_wei=_upper_median([market.tip_wei for market in markets]),
    )


def _receipts(views: Sequence[NodeView], quorum: int) -> dict[str, Receipt]:
    reported = (receipt for view in views for receipt in view.receipts.values())
    return {receipt.tx_hash: receipt for receipt in _supported(reported, quorum)}


def _upper_median(numbers: Sequence[int]) -> int:
    return sorted(numbers)[len(numbers) // 2]


def _supported(reports: Iterable[Report], quorum: int) -> list[Report]:
    return [report for report, count in Counter(reports).items() if count >= quorum]
