"""A look at the newest block in one round trip to one node: health factors, prices, pause, epoch and the key's nonce.

The nodes are asked in turn, because a look may be a lie. A node that hides a breach hides it from its own turn only.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import feed, lending, vault
from keeper.chain.deployed import Deployment
from keeper.chain.rpc.multicall import Multicall
from keeper.chain.rpc.reads import Member, Reads
from keeper.domain.account_venue import FIRST_ACCOUNT
from keeper.domain.block_look import BlockLook
from keeper.domain.errors import NodeUnavailable, NodeUntrusted
from keeper.domain.units import health_factor_of
from keeper.jsonrpc import requests as ask


class BlockWatcher:
    """``deployment`` gives what the cycles have discovered, None before the first."""

    def __init__(
        self, reads: Reads, multicall: str, account: str, *, deployment: Callable[[], Deployment | None]
    ) -> None:
        self._members = reads.members
        self._multicall = Multicall(reads, multicall)
        self._account = account
        self._deployment = deployment
        self._turn = 0

    def look(self) -> BlockLook | None:
        """The look of the node whose turn it is, or of the next one that answers. None while no deployment is known.
        Raises NodeUnavailable or NodeUntrusted where none answers."""
        at = self._deployment()
        if at is None:
            return None
        for _ in self._members[1:]:
            with suppress(NodeUnavailable, NodeUntrusted):
                return self._look_of(self._next(), at)
        return self._look_of(self._next(), at)

    # ------------------------------------------------------------------ inside

    def _next(self) -> Member:
        node = self._members[self._turn % len(self._members)]
        self._turn += 1
        return node

    def _look_of(self, node: Member, at: Deployment) -> BlockLook:
        calls = self._calls(at)
        outcomes, nonce = node.batch(
            [self._multicall.request_newest(calls), ask.transaction_count(self._account, "latest")]
        )
        answers = Answers(calls, outcomes, f"eth_call of {node.endpoint}")
        rounds = {
            listing.token.symbol: answers.maybe(feed.latest_round(listing.feed)) for listing in at.listings
        }
        return BlockLook(
            timestamp=answers.of(self._multicall.block_timestamp()),
            health_factors={
                FIRST_ACCOUNT.place: health_factor_of(
                    answers.of(lending.account(at.pool, at.account)).health_factor
                ),
                **{
                    other.place: health_factor_of(answers.of(vault.health_factor(other.address)))
                    for other in at.others
                },
            },
            prices={symbol: seen.answer for symbol, seen in rounds.items() if seen is not None},
            paused=answers.of(vault.paused(at.registry)),
            epoch=answers.of(vault.state(at.rebalancer)).epoch,
            nonce=nonce,
        )

    def _calls(self, at: Deployment) -> list[Call[Any]]:
        return [
            self._multicall.block_timestamp(),
            vault.paused(at.registry),
            vault.state(at.rebalancer),
            lending.account(at.pool, at.account),
            *(vault.health_factor(other.address) for other in at.others),
            *(feed.latest_round(listing.feed) for listing in at.listings),
        ]
