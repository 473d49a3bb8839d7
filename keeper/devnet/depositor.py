"""What a depositor does at the vault of the local chain, and what the line shows of it."""

from __future__ import annotations

from dataclasses import dataclass

from web3.contract.contract import ContractFunction

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at, send
from keeper.domain.units import UINT256_MAX

HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Depositor:
    """An account without any role."""

    chain: LocalChain
    account: str

    @property
    def shares(self) -> int:
        return int(self.chain.shares.functions.balanceOf(self.account).call())

    def ask_to_deposit(self, amount: int) -> None:
        """Raw USDC out of nothing."""
        self.chain.fund("USDC", self.account, amount)
        token = contract_at(self.chain.w3, "ERC20", self.chain.tokens["USDC"].address)
        self._send(token.functions.approve(self.chain.shares.address, UINT256_MAX))
        self._send(self.chain.shares.functions.requestDeposit(amount, self.account, self.account))

    def ask_to_redeem(self, shares: int) -> None:
        self._send(self.chain.shares.functions.requestRedeem(shares, self.account, self.account))

    def claim_shares(self) -> int:
        """Shares that arrive."""
        before = self.shares
        assets = self.chain.shares.functions.maxDeposit(self.account).call()
        deposit = self.chain.shares.get_function_by_signature("deposit(uint256,address)")
        self._send(deposit(assets, self.account))
        return self.shares - before

    def claim_assets(self) -> int:
        """Raw USDC that arrives."""
        token = contract_at(self.chain.w3, "ERC20", self.chain.tokens["USDC"].address).functions
        before = token.balanceOf(self.account).call()
        claimable = self.chain.shares.functions.maxRedeem(self.account).call()
        self._send(self.chain.shares.functions.redeem(claimable, self.account, self.account))
        return int(token.balanceOf(self.account).call() - before)

    def cancel_deposit(self) -> None:
        self._send(self.chain.shares.functions.cancelDeposit(self.account))

    def _send(self, call: ContractFunction) -> None:
        send(self.chain.w3, call, self.chain.w3.to_checksum_address(self.account))


def line(chain: LocalChain) -> tuple[int, int, int, int]:
    """VaultShares.line: when the oldest closed batches of deposits and of redemptions closed, and what waits, raw."""
    deposits, redemptions, assets, shares = chain.shares.functions.line().call()
    return int(deposits), int(redemptions), int(assets), int(shares)
