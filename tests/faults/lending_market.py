"""The lending market of the local chain, and what its admin can do to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at, send
from keeper.devnet.vault_reading import VaultReading, read_vault
from keeper.domain.units import BPS, UINT256_MAX
from keeper.recorded.aave import RESERVES
from tests.chain.keeper_command import Ended, Run

EXECUTE = ("rebalance", "--execute", "--json")
RISKY = ("WBTC", "WETH", "LINK", "UNI")
TERMS = {reserve.symbol: reserve for reserve in RESERVES}
HOUR = 3_600
VARIABLE_RATE = 2


@dataclass(frozen=True)
class Market:
    """Aave's admin and its other users."""

    chain: LocalChain

    @property
    def configurator(self) -> Contract:
        provider = contract_at(
            self.chain.w3, "PoolAddressesProvider", self.chain.pool.functions.ADDRESSES_PROVIDER().call()
        )
        found = provider.functions.getPoolConfigurator().call()
        return contract_at(self.chain.w3, "PoolConfiguratorInstance", found)

    def set(self, function: str, *arguments: object) -> None:
        """A call of the pool's admin."""
        send(self.chain.w3, self.configurator.functions[function](*arguments), self.chain.owner)

    def freeze(self, symbol: str) -> None:
        self.set("setReserveFreeze(address,bool)", self.address(symbol), True)

    def pause(self, symbol: str, *, paused: bool = True) -> None:
        self.set("setReservePause(address,bool)", self.address(symbol), paused)

    def collateral(self, symbol: str, ltv_bps: int, threshold_bps: int) -> None:
        bonus = BPS + TERMS[symbol].liquidation_bonus
        self.set("configureReserveAsCollateral", self.address(symbol), ltv_bps, threshold_bps, bonus)

    def borrow_everything(self, symbol: str) -> None:
        """Somebody rich borrows all that is there to borrow."""
        rich, pool = self.chain.accounts[-2], self.chain.pool.functions
        self.set("setBorrowCap", self.address(symbol), 0)
        self.set("setSupplyCap", self.address("USDC"), 0)
        amount = 10**9 * 10**6
        self.chain.fund("USDC", rich, amount)
        usdc = contract_at(self.chain.w3, "ERC20", self.address("USDC"))
        self.do(usdc.functions.approve(self.chain.pool.address, UINT256_MAX), rich)
        self.do(pool.supply(self.address("USDC"), amount, rich, 0), rich)
        free = pool.getVirtualUnderlyingBalance(self.address(symbol)).call()
        self.do(pool.borrow(self.address(symbol), free, VARIABLE_RATE, 0, rich), rich)

    def bring(self, symbol: str, amount: int) -> None:
        """The same supplies so much, raw, of it."""
        rich, pool = self.chain.accounts[-2], self.chain.pool.functions
        self.chain.fund(symbol, rich, amount)
        token = contract_at(self.chain.w3, "ERC20", self.address(symbol))
        self.do(token.functions.approve(self.chain.pool.address, UINT256_MAX), rich)
        self.do(pool.supply(self.address(symbol), amount, rich, 0), rich)

    def do(self, call: ContractFunction, sender: Any) -> None:
        send(self.chain.w3, call, sender)

    def address(self, symbol: str) -> Any:
        return self.chain.w3.to_checksum_address(self.chain.tokens[symbol].address)


@pytest.fixture
def market(chain: LocalChain) -> Market:
    return Market(chain)


@pytest.fixture
def levered(keeper: Run, chain: LocalChain) -> VaultReading:
    """After a first rebalance, and so long that the vault's limits on a day are free again."""
    ended = keeper(*EXECUTE)
    assert ended.json()["outcome"] == "SENT", ended.out
    chain.pass_time(32 * HOUR)
    return read_vault(chain)


def steps(ended: Ended) -> list[tuple[str, str]]:
    return [(step["kind"], step["symbol"]) for step in ended.json()["plan"]["steps"]]


def settled(ended: Ended) -> Ended:
    assert (ended.code, ended.json()["outcome"]) == (0, "SENT"), ended.out
    assert all(check["passed"] for check in ended.json()["post_trade"]), ended.json()["aftermath"]
    return ended
