"""Reads the vault without the keeper's own reading code, so that tests can judge the keeper by it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.devnet import feeds
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at
from keeper.domain.units import USD, health_factor_of


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


@dataclass(frozen=True, slots=True)
class AavePosition:
    """One account of the vault on Aave. ``category`` is its eMode, 0 for none; ``collateral`` is raw by symbol, debt in
    USD by Aave's oracle."""

    category: int
    collateral: dict[str, int]
    debt_usd: float
    health_factor: float


def read_positions(world: LocalChain) -> tuple[AavePosition, ...]:
    """What each account holds and owes, by Aave's own contracts."""
    functions = world.pool.functions
    return tuple(
        AavePosition(
            category=functions.getUserEMode(account).call(),
            collateral={
                symbol: amount
                for symbol, token in world.tokens.items()
                if (amount := _balance(world, functions.getReserveAToken(token.address).call(), account))
            },
            debt_usd=functions.getUserAccountData(account).call()[1] / USD,
            health_factor=health_factor_of(functions.getUserAccountData(account).call()[5]),
        )
        for account in world.registry.functions.accounts().call()
    )


def _balance(world: LocalChain, token: str, account: str) -> int:
    return int(contract_at(world.w3, "ERC20", token).functions.balanceOf(account).call())


def read_vault(world: LocalChain) -> VaultReading:
    """Balances and debt of all accounts on Aave from the token contracts, prices from the feeds, the lowest health
    factor from Aave."""
    w3, pool = world.w3, world.pool
    portfolio, accounts = world.portfolio.address, world.registry.functions.accounts().call()
    values: dict[str, float] = {}
    amounts: dict[str, int] = {}
    debt = 0.0
    for symbol, token in world.tokens.items():
        price, _ = feeds.latest_round(w3, world.feeds.addresses[symbol])
        held = _balance(world, token.address, portfolio)
        a_token = pool.functions.getReserveAToken(token.address).call()
        debt_token = pool.functions.getReserveVariableDebtToken(token.address).call()
        supplied, owed = (
            sum(_balance(world, of, account) for account in accounts) for of in (a_token, debt_token)
        )
        amounts[symbol] = held + supplied
        values[symbol] = amounts[symbol] * price / 10**token.decimals
        debt += owed * price / 10**token.decimals
    cash = values.pop("USDC")
    nav = math.fsum(values.values()) + cash - debt
    return VaultReading(
        nav_usd=nav,
        leverage=math.fsum(values.values()) / nav,
        health_factor=min(
            health_factor_of(pool.functions.getUserAccountData(account).call()[5]) for account in accounts
        ),
        weights={symbol: value / nav for symbol, value in values.items()},
        amounts=amounts,
        cash_usd=cash,
        debt_usd=debt,
        epoch=world.rebalancer.functions.state().call()[0],
    )
