"""Reads the vault without the keeper's own reading code, so that tests can judge the keeper by it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.devnet import feeds
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at
from keeper.domain.units import health_factor_of


@dataclass(frozen=True, slots=True)
class VaultReading:
    """USD; ``weights`` are fractions of NAV by symbol, ``amounts`` raw, supplied ones included;
    ``health_factor`` is inf without debt."""

    nav_usd: float
    leverage: float
    health_factor: float
    weights: dict[str, float]
    amounts: dict[str, int]
    cash_usd: float
    debt_usd: float
    epoch: int


def read_vault(world: LocalChain) -> VaultReading:
    """Balances and debt from the token contracts, prices from the feeds, health factor from Aave."""
    w3, pool = world.w3, world.pool
    portfolio, account = world.portfolio.address, world.account.address
    values: dict[str, float] = {}
    amounts: dict[str, int] = {}
    debt = 0.0
    for symbol, token in world.tokens.items():
        price, _ = feeds.latest_round(w3, world.feeds.addresses[symbol])
        held = contract_at(w3, "ERC20", token.address).functions.balanceOf(portfolio).call()
        a_token = pool.functions.getReserveAToken(token.address).call()
        supplied = contract_at(w3, "ERC20", a_token).functions.balanceOf(account).call()
        debt_token = pool.functions.getReserveVariableDebtToken(token.address).call()
        owed = contract_at(w3, "ERC20", debt_token).functions.balanceOf(account).call()
        amounts[symbol] = held + supplied
        values[symbol] = amounts[symbol] * price / 10**token.decimals
        debt += owed * price / 10**token.decimals
    cash = values.pop("USDC")
    nav = math.fsum(values.values()) + cash - debt
    return VaultReading(
        nav_usd=nav,
        leverage=math.fsum(values.values()) / nav,
        health_factor=health_factor_of(pool.functions.getUserAccountData(account).call()[5]),
        weights={symbol: value / nav for symbol, value in values.items()},
        amounts=amounts,
        cash_usd=cash,
        debt_usd=debt,
        epoch=world.rebalancer.functions.state().call()[0],
    )
