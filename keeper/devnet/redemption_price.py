"""What a batch of redemptions is due by the rounds of the feeds, computed without the keeper's and the contracts' own
pricing, so that the demo and tests can judge both by it.

It is what is held when the batch is settled, at the prices of the first moment at which every feed that matters had
published after the batch closed; or the present value, where a call has moved the vault since and it is lower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at
from keeper.domain.units import BPS

VIRTUAL_SHARES = 10**6
PHASE = 1 << 64
NEWEST = 60


@dataclass(frozen=True, slots=True)
class SettledRedemptions:
    """RedemptionsSettled of a mined settlement: raw shares and assets. ``due`` are the assets by the rounds."""

    shares: int
    assets: int
    shares_left: int
    due: int


def settled_redemptions(chain: LocalChain, tx_hash: str) -> SettledRedemptions:
    """Of a transaction that settled a batch of redemptions, and nothing else in its block did."""
    from hexbytes import HexBytes
    from web3.logs import DISCARD

    receipt = chain.w3.eth.get_transaction_receipt(HexBytes(tx_hash))
    (event,) = chain.shares.events.RedemptionsSettled().process_receipt(receipt, errors=DISCARD)
    settled, block = event["args"], receipt["blockNumber"]
    shares, paid = int(settled["shares"]), int(settled["assets"])
    holdings = _holdings(chain, block, paid)
    closed_at = chain.shares.functions.line().call(block_identifier=block - 1)[1]
    total = _due_total(chain, holdings, closed_at=closed_at, block=block)
    supply = chain.shares.functions.totalSupply().call(block_identifier=block) + shares
    spread_bps = chain.shares.functions.terms().call(block_identifier=block)[4]
    gross = shares * (total + 1) // (supply + VIRTUAL_SHARES)
    return SettledRedemptions(
        shares, paid, shares_left=int(settled["sharesLeft"]), due=gross * (BPS - spread_bps) // BPS
    )


@dataclass(frozen=True, slots=True)
class _Held:
    """Net raw amount of an asset, and its feed's rounds up to the block: (updated at, answer), oldest first."""

    net: int
    unit: int
    rounds: Sequence[tuple[int, int]]


def _holdings(chain: LocalChain, block: int, paid: int) -> list[_Held]:
    """Of the assets that matter, the accounting asset first, before the block paid ``paid``."""
    assets = chain.registry.functions.assets().call(block_identifier=block)
    tokens, nets, debts = chain.portfolio.functions.holdings().call(block_identifier=block)
    symbols = {token.address: symbol for symbol, token in chain.tokens.items()}
    held = []
    for number, (asset, token, net, owed) in enumerate(zip(assets, tokens, nets, debts, strict=True)):
        own = net + (paid if number == 0 else 0)
        if number == 0 or owed or own >= 10 ** asset[2]:
            feed = chain.feeds.addresses[symbols[token]]
            held.append(_Held(own, 10 ** asset[1], _rounds(chain, feed, block)))
    return held


def _due_total(chain: LocalChain, held: Sequence[_Held], *, closed_at: int, block: int) -> int:
    if len(held) == 1:
        return held[0].net
    moment = max(next(at for at, _ in asset.rounds if at > closed_at) for asset in held)
    due = _worth(held, [_last(asset.rounds, moment) for asset in held])
    last_call = chain.rebalancer.functions.state().call(block_identifier=block)[2]
    present = _worth(held, [asset.rounds[-1][1] for asset in held])
    return min(due, present) if last_call >= moment else due


def _last(rounds: Sequence[tuple[int, int]], moment: int) -> int:
    return [answer for at, answer in rounds if at <= moment][-1]


def _worth(held: Sequence[_Held], prices: Sequence[int]) -> int:
    """In raw units of the accounting asset; each part is rounded towards zero."""
    total = held[0].net
    for asset, price in zip(held[1:], prices[1:], strict=True):
        worth = abs(asset.net) * price * held[0].unit // (asset.unit * prices[0])
        total += worth if asset.net > 0 else -worth
    return max(total, 0)


def _rounds(chain: LocalChain, address: str, block: int) -> list[tuple[int, int]]:
    """The newest ones of the present phase."""
    feed: Any = contract_at(chain.w3, "RoundFeed", address).functions
    latest = feed.latestRound().call(block_identifier=block)
    first = max(latest % PHASE - NEWEST, 1)
    rounds = [
        feed.getRoundData(latest - latest % PHASE + number).call(block_identifier=block)
        for number in range(first, latest % PHASE + 1)
    ]
    return [(int(at), int(answer)) for _, answer, _, at, _ in rounds]
