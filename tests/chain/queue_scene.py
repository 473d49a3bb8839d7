"""A redemption queue beside a vault scene, and what its depositors do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hexbytes import HexBytes
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractCustomError, ContractLogicError

from keeper.chain.admin.queue_deployment import deploy_queue
from keeper.chain.admin.transactions import artifact_of
from keeper.devnet.local_chain import LocalChain
from tests.chain.vault_scene import ALL, GAS, Scene
from tests.chain.vault_setup import vault_scene

USDC = 10**6
SHARE = 10**12
DELAY = 3_600
MANY = 100


@dataclass(frozen=True, slots=True)
class QueueScene:
    vault: Scene
    queue: Contract
    depositors: tuple[str, ...]
    """Accounts without any role."""

    @property
    def read(self) -> Any:
        return self.queue.functions

    def deposit(self, account: str, amount: int) -> int:
        """Shares that raw USDC out of nothing buys."""
        before = self.vault.shares(account)
        self.vault.fund("USDC", account, amount)
        self.vault.deposit(amount, account)
        return self.vault.shares(account) - before

    def pour(self, amount: int) -> None:
        """Cash to serve from; a deposit leaves the share price as it is."""
        self.vault.deposit(amount)

    def request(self, account: str, shares: int, controller: str | None = None) -> None:
        scene = self.vault
        scene.send(scene.vault.functions.approve(self.queue.address, ALL), account)
        scene.send(self.read.requestRedeem(shares, controller or account, account), account)

    def mature(self) -> None:
        """The delay passes, and every feed says its price again."""
        self.vault.wait(DELAY)
        self.vault.refresh_feeds()

    def serve(self, most: int = MANY, caller: str | None = None) -> tuple[int, int]:
        """Shares and raw USDC."""
        call = self.read.serve(most)
        sender = caller or self.vault.people.stranger
        before = self.pending(), self.vault.balance("USDC", self.queue.address)
        self.vault.send(call, sender)
        return before[0] - self.pending(), self.vault.balance("USDC", self.queue.address) - before[1]

    def claim(self, account: str) -> int:
        """Raw USDC that arrives."""
        before = self.vault.balance("USDC", account)
        self.vault.send(self.read.redeem(self.claimable(account), account, account), account)
        return self.vault.balance("USDC", account) - before

    def pending(self, account: str | None = None) -> int:
        call = self.read.pendingShares() if account is None else self.read.pendingRedeemRequest(0, account)
        return int(call.call())

    def claimable(self, account: str) -> int:
        return int(self.read.claimableRedeemRequest(0, account).call())

    def owed(self, account: str) -> int:
        """Raw USDC that was served and waits."""
        return int(self.read.maxWithdraw(account).call())

    def worth(self, shares: int) -> int:
        """Raw USDC at the share price now."""
        return int(self.vault.read.convertToAssets(shares).call())

    def refusal(self, call: ContractFunction, sender: str) -> str:
        """Name of the queue's custom error, or the text of the revert."""
        try:
            call.call({"from": sender, "gas": GAS})
        except ContractCustomError as error:
            names = {
                self.vault.w3.keccak(text=f"{e['name']}({','.join(i['type'] for i in e['inputs'])})")[:4]: e[
                    "name"
                ]
                for e in (*artifact_of("queue")["abi"], *artifact_of("vault")["abi"])
                if e["type"] == "error"
            }
            return str(names.get(HexBytes(str(error.data)[:10]), error.data))
        except ContractLogicError as error:
            return str(error)
        raise AssertionError("the call did not revert")


def queue_scene(chain: LocalChain) -> QueueScene:
    scene = vault_scene(chain)
    at = deploy_queue(chain.w3, chain.w3.eth.accounts[0], scene.vault.address).address
    queue = chain.w3.eth.contract(address=chain.w3.to_checksum_address(at), abi=artifact_of("queue")["abi"])
    return QueueScene(scene, queue, tuple(chain.w3.eth.accounts[6:9]))


@pytest.fixture(scope="module")
def queue_in_use(fork: LocalChain) -> QueueScene:
    """Three depositors of 100,000 USDC each in a vault at leverage 1.5, no cash idle. Do not change it."""
    scene = queue_scene(fork)
    for account in scene.depositors:
        scene.deposit(account, 100_000 * USDC)
    scene.vault.lever(1.5)
    assert scene.vault.balance("USDC") < USDC
    return scene


@pytest.fixture
def levered_queue(queue_in_use: QueueScene, chain: LocalChain) -> QueueScene:
    """``queue_in_use``, put back as it was after the test."""
    assert chain.w3 is queue_in_use.vault.w3
    return queue_in_use
