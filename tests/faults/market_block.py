"""What the market does within one block: new rounds of the feeds, and trades of their owner."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector

from keeper.devnet import feeds
from tests.faults.fixtures import Trial

PUSH = function_signature_to_4byte_selector("push(int256,uint256)")
GAS_PRICE_WEI = 10**12
"""Mined whatever gas costs."""
GAS = 1_500_000
"""Enough for a trade that moves a pool; so that a block takes many of them."""


@dataclass(frozen=True)
class Published:
    """A round of a feed: USD, and its Unix second."""

    symbol: str
    price: float
    at: int


def push_rounds(trial: Trial, rounds: Iterable[Published]) -> None:
    """Puts new rounds of the feeds into the next block; nothing is mined."""
    calls = []
    for each in rounds:
        data = PUSH + encode(("int256", "uint256"), (feeds.answer(each.price), each.at))
        calls.append((trial.world.feeds.addresses[each.symbol], "0x" + data.hex()))
    queue(trial, calls)


def queue(trial: Trial, calls: Iterable[tuple[str, str]]) -> None:
    """Puts calls of the market's owner, each an address and calldata, into the next block in their order."""
    owner = trial.world.owner
    nonce = int(trial.proxy.rpc("eth_getTransactionCount", owner, "pending"), 16)
    for number, (to, data) in enumerate(calls):
        call = {"from": owner, "to": to, "data": data, "gas": hex(GAS), "nonce": hex(nonce + number)}
        trial.proxy.rpc("eth_sendTransaction", call | {"gasPrice": hex(GAS_PRICE_WEI)})
