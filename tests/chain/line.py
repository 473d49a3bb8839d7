"""Requests of a depositor on the local chain, and their settlement."""

from __future__ import annotations

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at, send

Hint = tuple[int, int]
"""SharePricer.Hint: the first round after a batch closed, and the last up to the moment when all had published."""


def request_redemption(chain: LocalChain, part: float) -> int:
    """Shares that the depositor asks to be paid for."""
    depositor = chain.w3.to_checksum_address(chain.deployment.accounts["depositor"])
    shares = int(chain.shares.functions.balanceOf(depositor).call() * part)
    send(chain.w3, chain.shares.functions.requestRedeem(shares, depositor, depositor), depositor)
    return shares


def close(chain: LocalChain) -> None:
    """After the hour that lies between two batches; then every feed publishes."""
    chain.pass_time(3_600)
    stranger = chain.w3.to_checksum_address(chain.deployment.accounts["stranger"])
    send(chain.w3, chain.shares.functions.close(), stranger)
    chain.pass_time(60)


def settle(chain: LocalChain) -> int:
    """Raw USDC that the depositor can claim afterwards."""
    stranger = chain.w3.to_checksum_address(chain.deployment.accounts["stranger"])
    closed_at = chain.shares.functions.line().call()[1]
    send(chain.w3, chain.shares.functions.settleRedemptions(hints(chain, closed_at)), stranger)
    return int(chain.shares.functions.maxWithdraw(chain.deployment.accounts["depositor"]).call())


def pending_shares(chain: LocalChain) -> int:
    return int(chain.shares.functions.line().call()[3])


def hints(chain: LocalChain, closed_at: int) -> list[Hint]:
    """What anybody finds by reading the feeds' rounds, in the order of the registry's assets."""
    feeds = [_feed_of(chain, asset[0]) for asset in chain.registry.functions.assets().call()]
    rounds = [_rounds_after(chain, feed, closed_at) for feed in feeds]
    moment = max(of[0][1] for of in rounds)
    return [(of[0][0], max(number for number, at in of if at <= moment)) for of in rounds]


def _feed_of(chain: LocalChain, token: str) -> str:
    book = contract_at(chain.w3, "PriceBook", chain.deployment.contracts["book"])
    return str(book.functions.feedOf(token).call()[0])


def _rounds_after(chain: LocalChain, feed: str, closed_at: int) -> list[tuple[int, int]]:
    """Number and time, oldest first."""
    call = contract_at(chain.w3, "RoundFeed", feed).functions
    number, _, _, at, _ = call.latestRoundData().call()
    found: list[tuple[int, int]] = []
    while at > closed_at:
        found.append((number, at))
        number, _, _, at, _ = call.getRoundData(number - 1).call()
    return found[::-1]
