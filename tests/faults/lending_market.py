"""The lending market of the local chain, and what its admin can do to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from web3.contract import Contract
from web3.contract.contract import ContractFunction

from keeper.devnet import local_chain as devnet
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at, send
from keeper.devnet.vault_reading import VaultReading, read_vault
from keeper.domain.units import BPS, UINT256_MAX
from keeper.recorded.aave import RESERVES
from tests.chain.keeper_command import JOURNAL, Ended, outside_of, run_once

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


@dataclass(frozen=True)
class LeveredStart:
    """A chain whose vault has been rebalanced once, so long ago that its limits on a day are free again; the journal of
    the keeper that did it; and the vault."""

    chain: LocalChain
    journal: Path
    vault: VaultReading


@pytest.fixture(scope="session")
def levered_start(
    world: LocalChain, price_history: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LeveredStart]:
    """Do not change it: use ``levered``."""
    folder = tmp_path_factory.mktemp("levered")
    journal = folder / JOURNAL
    shutil.copy(price_history, journal)
    with devnet.forked(world, put_back=True) as (_, copy):
        with outside_of(copy, folder):
            run_once(folder, *EXECUTE)
        copy.pass_time(32 * HOUR)
        yield LeveredStart(copy, journal, read_vault(copy))


def begins_levered(request: pytest.FixtureRequest) -> bool:
    return "levered" in request.fixturenames


@pytest.fixture
def fork(request: pytest.FixtureRequest) -> LocalChain:
    """What ``chain`` is: a levered one for a test that asks for ``levered``."""
    if begins_levered(request):
        start: LeveredStart = request.getfixturevalue("levered_start")
        return start.chain
    copy: LocalChain = request.getfixturevalue("cash_fork")
    return copy


@pytest.fixture
def first_journal(request: pytest.FixtureRequest) -> Path:
    """The journal that belongs to ``fork``."""
    if begins_levered(request):
        start: LeveredStart = request.getfixturevalue("levered_start")
        return start.journal
    history: Path = request.getfixturevalue("price_history")
    return history


@pytest.fixture
def levered(levered_start: LeveredStart) -> VaultReading:
    """The test's vault is levered."""
    return levered_start.vault


def steps(ended: Ended) -> list[tuple[str, str]]:
    return [(step["kind"], step["symbol"]) for step in ended.json()["plan"]["steps"]]


def settled(ended: Ended) -> Ended:
    assert (ended.code, ended.json()["outcome"]) == (0, "SENT"), ended.out
    assert all(check["passed"] for check in ended.json()["post_trade"]), ended.json()["aftermath"]
    return ended
