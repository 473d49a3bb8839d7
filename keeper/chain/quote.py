"""Quotes of many routes at one block, in one round trip."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.chain.contracts.pools import path, quote_exact_in
from keeper.chain.deployed import Deployment
from keeper.chain.rpc.multicall import Multicall
from keeper.domain.market import Block
from keeper.domain.plan import Quote, QuoteRequest

MAX_QUOTES = 60
"""Per eth_call, because a quote runs the whole swap."""
GAS_OF_A_QUOTE = 200_000
"""Gas of two hops through deep pools. Some nodes give an eth_call no more gas than a block has."""


def quotes(
    multicall: Multicall,
    quoter: str,
    deployment: Deployment,
    requests: Sequence[QuoteRequest],
    block: Block,
) -> tuple[Quote, ...]:
    """In the order asked; ``amount_out`` is None where the route cannot fill. Raises as Multicall.read."""
    calls = [
        quote_exact_in(
            quoter, path(request.route, lambda symbol: deployment.token(symbol).address), request.amount_in
        )
        for request in requests
    ]
    per_call = min(MAX_QUOTES, max(1, block.gas_limit // GAS_OF_A_QUOTE)) if block.gas_limit else MAX_QUOTES
    groups = [calls[first : first + per_call] for first in range(0, len(calls), per_call)]
    outcomes = []
    for group, answers in zip(groups, multicall.read_many(groups, block.hash), strict=True):
        outcomes += [answers.maybe(call) for call in group]
    return tuple(
        Quote(
            route=request.route,
            amount_in=request.amount_in,
            amount_out=answer.amount_out if answer is not None and answer.amount_out > 0 else None,
            gas=answer.gas if answer is not None else 0,
        )
        for request, answer in zip(requests, outcomes, strict=True)
    )
