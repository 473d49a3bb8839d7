"""The sequencer of the local chain."""

from __future__ import annotations

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at, send


def set_sequencer(chain: LocalChain, *, up: bool, since: int) -> None:
    """The sequencer's status and since when it has been so (Unix seconds)."""
    feed = contract_at(chain.w3, "SequencerFeed", chain.feeds.sequencer)
    send(chain.w3, feed.functions.setStatus(not up, since), chain.owner)
