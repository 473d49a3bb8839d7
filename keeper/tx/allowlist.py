"""The transactions that may be signed, whichever signer holds the key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from keeper.domain.errors import NotAuthorised
from keeper.domain.roles_modifier import RolesModifier
from keeper.domain.tx import AttemptKind, Intent, OutgoingCall
from keeper.tx.fees import Fees

REBALANCER_SELECTORS = {
    "rebalance": "0xf1eabd8b",
    "deleverage": "0x99bd1f20",
}
SHARES_SELECTORS = {
    "close": "0x43d726d6",
    "settleDeposits": "0xf3f05770",
    "settleRedemptions": "0x6879cb43",
}
"""First four bytes of keccak256 of the functions that the keeper may call, by contract."""
LARGEST_GAS_LIMIT = 2**24
"""EIP-7825."""
NO_OP_GAS = 21_000


@dataclass(frozen=True, slots=True)
class VaultTargets:
    """The two contracts of one vault that the keeper calls. With a ``modifier`` the rebalancer is called through it,
    and only so. What anybody may call of the shares needs no Safe."""

    rebalancer: str
    shares: str
    modifier: RolesModifier | None = None

    @property
    def recipients(self) -> tuple[str, str]:
        """Where transactions may go."""
        return (self.rebalancer if self.modifier is None else self.modifier.address), self.shares

    def selectors(self, contract: str) -> Mapping[str, str]:
        """Those of the functions that may be called there; none of any other contract."""
        by_address = {
            self.shares.lower(): SHARES_SELECTORS,
            self.rebalancer.lower(): REBALANCER_SELECTORS,
        }
        return by_address.get(contract.lower(), {})

    def vault_call(self, to: str, data: str) -> OutgoingCall | None:
        """The call of the vault that a transaction to ``to`` makes; None where it makes none, or one that the modifier
        was not asked for as the keeper asks."""
        if self.modifier is None or to.lower() == self.shares.lower():
            return OutgoingCall(to, data)
        if to.lower() != self.modifier.address.lower():
            return None
        inner = self.modifier.inner(self.rebalancer, bytes.fromhex(data[2:]))
        return None if inner is None else OutgoingCall(self.rebalancer, "0x" + inner.hex())


Targets = Callable[[], VaultTargets]
"""The rebalancer's address follows from the vault's, so it is known only once the chain was read."""


@dataclass(frozen=True, slots=True)
class AllowedTarget:
    """The one vault that calls may be signed for."""

    chain_id: int
    targets: Targets


@dataclass(frozen=True, slots=True)
class UnsignedTransaction:
    """One EIP-1559 transaction, field by field; no value, no access list. ``data`` is 0x-hex."""

    chain_id: int
    nonce: int
    to: str
    data: str
    gas: int
    max_fee_wei: int
    tip_wei: int


def unsigned(intent: Intent, fees: Fees, kind: AttemptKind) -> UnsignedTransaction:
    """The vault call of an intent, or the no-op that takes its nonce."""
    payload, cancels = intent.payload, kind is AttemptKind.CANCEL
    return UnsignedTransaction(
        chain_id=payload.chain_id,
        nonce=intent.nonce,
        to=payload.sender if cancels else payload.to,
        data="0x" if cancels else payload.calldata,
        gas=NO_OP_GAS if cancels else payload.gas_limit,
        max_fee_wei=fees.max_fee_wei,
        tip_wei=fees.tip_wei,
    )


class Allowlist:
    """For one key. Remembers the call signed for each nonce in this process: another call for the same nonce must
    supersede it."""

    def __init__(self, allowed: AllowedTarget, account: str) -> None:
        self._allowed = allowed
        self._account = account
        self._calls: dict[int, str] = {}

    def require(self, intent: Intent, fees: Fees, kind: AttemptKind) -> UnsignedTransaction:
        """The transaction that may be signed. Raises NotAuthorised for anything else."""
        transaction = unsigned(intent, fees, kind)
        wrong = self._wrong(intent, transaction, kind)
        if wrong:
            raise NotAuthorised(
                f"not signed: {wrong}", remedy="This is a defect of the keeper: report it with the journal."
            )
        return transaction

    def sign_for(self, intent: Intent, fees: Fees, kind: AttemptKind) -> UnsignedTransaction:
        """As ``require``; from now on the nonce belongs to this call."""
        transaction = self.require(intent, fees, kind)
        if kind is AttemptKind.CALL:
            self._calls[intent.nonce] = _digest(transaction)
        return transaction

    def _wrong(self, intent: Intent, transaction: UnsignedTransaction, kind: AttemptKind) -> str:
        payload, allowed = intent.payload, self._allowed
        checks = (
            (
                payload.chain_id != allowed.chain_id,
                f"chain id {payload.chain_id}, allowed is {allowed.chain_id}",
            ),
            (
                payload.sender.lower() != self._account.lower(),
                f"sender {payload.sender}, this key is {self._account}",
            ),
            (
                transaction.max_fee_wei > payload.max_fee_cap_wei,
                f"{transaction.max_fee_wei} wei per gas, the cap is {payload.max_fee_cap_wei}",
            ),
            (
                not 0 <= transaction.tip_wei <= transaction.max_fee_wei,
                f"a tip of {transaction.tip_wei} wei with {transaction.max_fee_wei} wei per gas",
            ),
            (
                not NO_OP_GAS <= transaction.gas <= LARGEST_GAS_LIMIT,
                f"gas limit {transaction.gas}, allowed are {NO_OP_GAS} to {LARGEST_GAS_LIMIT}",
            ),
            *(self._wrong_call(intent, transaction) if kind is AttemptKind.CALL else ()),
        )
        return next((message for failed, message in checks if failed), "")

    def _wrong_call(self, intent: Intent, transaction: UnsignedTransaction) -> tuple[tuple[bool, str], ...]:
        before = self._calls.get(intent.nonce)
        targets = self._allowed.targets()
        recipients = [address.lower() for address in targets.recipients]
        call = targets.vault_call(transaction.to, transaction.data)
        allowed = targets.selectors(call.to) if call is not None else {}
        selector = (call.calldata if call is not None else transaction.data)[:10].lower()
        return (
            (
                transaction.to.lower() not in recipients,
                f"recipient {transaction.to}, allowed are {' and '.join(targets.recipients)}",
            ),
            (
                call is None,
                f"a call of the Roles modifier as the keeper does not make it, in its role and of {targets.rebalancer}",
            ),
            (
                selector not in allowed.values(),
                f"function {selector}, allowed are {', '.join(allowed)}",
            ),
            (
                before is not None and before != _digest(transaction) and intent.supersedes is None,
                f"a second call for nonce {intent.nonce}, which supersedes none",
            ),
        )


def _digest(transaction: UnsignedTransaction) -> str:
    return hashlib.sha256(f"{transaction.to.lower()} {transaction.data}".encode()).hexdigest()
