"""What several nodes say of one key, as one: only what a quorum of them supports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from keeper.domain.tx import Receipt
from keeper.tx.ports import FeeMarket, Outlook

Told = TypeVar("Told", bound=Hashable)


def agreed(outlooks: Sequence[Outlook], quorum: int) -> Outlook:
    """Numbers that only grow are the highest that ``quorum`` nodes have reached; receipts, known and waiting
    transactions those that ``quorum`` nodes tell alike. One node that lags, or invents, changes nothing.

    ``outlooks``: at least ``quorum``.
    """

    def reached(number: Callable[[Outlook], int]) -> int:
        return sorted(map(number, outlooks), reverse=True)[quorum - 1]

    head = reached(lambda one: one.head)
    here = [one for one in outlooks if one.head >= head]
    epochs = [one.epoch for one in outlooks if one.epoch is not None]
    pools = [one.pool for one in outlooks if one.pool is not None]
    return Outlook(
        head=head,
        head_time=min(one.head_time for one in here),
        base_fee_wei=max(one.base_fee_wei for one in here[:quorum]),
        final_block=reached(lambda one: one.final_block),
        mined_nonce=reached(lambda one: one.mined_nonce),
        settled_nonce=reached(lambda one: one.settled_nonce),
        pending_nonce=reached(lambda one: one.pending_nonce),
        epoch=sorted(epochs, reverse=True)[quorum - 1] if len(epochs) >= quorum else None,
        receipts=_receipts(outlooks, quorum),
        known=frozenset(_supported((tx_hash for one in outlooks for tx_hash in one.known), quorum)),
        pool=dict(_supported((waiting for pool in pools for waiting in pool.items()), quorum))
        if len(pools) >= quorum
        else None,
    )


def agreed_fees(markets: Sequence[FeeMarket]) -> FeeMarket:
    """The median of each: the upper of two, because too low a price is never mined."""
    return FeeMarket(
        base_fee_wei=_upper_median([one.base_fee_wei for one in markets]),
        tip_wei=_upper_median([one.tip_wei for one in markets]),
    )


def _receipts(outlooks: Sequence[Outlook], quorum: int) -> dict[str, Receipt]:
    told = Counter(receipt for one in outlooks for receipt in one.receipts.values())
    return {receipt.tx_hash: receipt for receipt, count in told.items() if count >= quorum}


def _upper_median(numbers: Sequence[int]) -> int:
    return sorted(numbers)[len(numbers) // 2]


def _supported(told: Iterable[Told], quorum: int) -> list[Told]:
    return [one for one, count in Counter(told).items() if count >= quorum]
