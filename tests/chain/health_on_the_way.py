"""The health factor after every step of a plan, from what the lending pool's events say that it moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from keeper.devnet.local_chain import LocalChain
from keeper.domain.market import MarketSnapshot
from keeper.domain.units import BPS, usd

_SIGNATURES = {
    "Supply": "Supply(address,address,address,uint256,uint16)",
    "Withdraw": "Withdraw(address,address,address,uint256)",
    "Borrow": "Borrow(address,address,address,uint256,uint8,uint256,uint16)",
    "Repay": "Repay(address,address,address,uint256,bool)",
}
_AMOUNT_AT = {"Supply": 1, "Withdraw": 0, "Borrow": 1, "Repay": 0}


def health_factors(
    logs: Sequence[dict[str, Any]], before: MarketSnapshot, world: LocalChain
) -> tuple[float, ...]:
    """In the order of the events; inf without debt.

    Neither prices nor thresholds change within a transaction, and collateral and debt change by what the pool's
    events say: so this is what the pool itself would have answered after each step. Whoever calls this can compare
    the last with the pool's own answer.
    """
    topics = {world.w3.keccak(text=text).to_0x_hex(): name for name, text in _SIGNATURES.items()}
    symbols = {int(token.address, 16): token.symbol for token in before.tokens}
    supplied = {holding.symbol: holding.supplied for holding in before.holdings}
    debt, found = before.holdings[0].owed, []
    for log in logs:
        name = topics.get(log["topics"][0])
        if name is None or int(log["address"], 16) != int(world.pool.address, 16):
            continue
        place = 2 + 64 * _AMOUNT_AT[name]
        amount = int(log["data"][place : place + 64], 16)
        symbol = symbols[int(log["topics"][1], 16)]
        if name in ("Supply", "Withdraw"):
            supplied[symbol] += amount if name == "Supply" else -amount
        else:
            debt += amount if name == "Borrow" else -amount
        found.append(_health_factor(supplied, debt, before))
    return tuple(found)


def _health_factor(supplied: dict[str, int], debt: int, snapshot: MarketSnapshot) -> float:
    owed = usd(max(0, debt), snapshot.debt_token.decimals, snapshot.reserves[0].market_price)
    if owed < 0.01:
        return math.inf
    carried = math.fsum(
        usd(supplied[token.symbol], token.decimals, reserve.market_price)
        * reserve.liquidation_threshold_bps
        / BPS
        for token, reserve in zip(snapshot.tokens, snapshot.reserves, strict=True)
    )
    return carried / owed
