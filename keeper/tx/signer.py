"""The key in this process: from an encrypted keystore, or a raw one on the development chain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.domain.chains import DEVELOPMENT_CHAIN_ID
from keeper.domain.errors import InvalidSetting
from keeper.domain.tx import Attempt, AttemptKind, Intent
from keeper.tx.allowlist import AllowedTarget, Allowlist
from keeper.tx.fees import Fees
from keeper.tx.keystore import decrypted_key

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount


class LocalSigner:
    """An account in this process. Its repr shows the address only."""

    def __init__(self, account: LocalAccount, allowed: AllowedTarget) -> None:
        self._account = account
        self._allowlist = Allowlist(allowed, self.address)

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"

    @property
    def address(self) -> str:
        address: str = self._account.address
        return address

    def require_allowed(self, intent: Intent, fees: Fees) -> None:
        """Raises NotAuthorised outside the allowlist."""
        self._allowlist.require(intent, fees, AttemptKind.CALL)

    def sign(self, intent: Intent, fees: Fees, kind: AttemptKind = AttemptKind.CALL) -> Attempt:
        """Raises NotAuthorised, before signing, outside the allowlist."""
        from eth_typing import HexStr
        from eth_utils.address import to_checksum_address

        transaction = self._allowlist.sign_for(intent, fees, kind)
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": transaction.chain_id,
                "nonce": transaction.nonce,
                "to": to_checksum_address(transaction.to),
                "value": 0,
                "data": HexStr(transaction.data),
                "gas": transaction.gas,
                "maxFeePerGas": transaction.max_fee_wei,
                "maxPriorityFeePerGas": transaction.tip_wei,
            }
        )
        return Attempt(
            intent_id=intent.intent_id,
            tx_hash=signed.hash.to_0x_hex(),
            raw=signed.raw_transaction.to_0x_hex(),
            max_fee_per_gas_wei=fees.max_fee_wei,
            max_priority_fee_per_gas_wei=fees.tip_wei,
            kind=kind,
        )


def from_keystore(path: Path, password: Callable[[], str], allowed: AllowedTarget) -> LocalSigner:
    """Opens an encrypted keystore (V3). Raises InvalidSetting; its message never shows the content."""
    from eth_account import Account

    return LocalSigner(Account.from_key(decrypted_key(path, "KEEPER_KEYSTORE", password)), allowed)


def from_development_key(key: str, allowed: AllowedTarget) -> LocalSigner:
    """A raw key, on the development chain only. Raises InvalidSetting anywhere else."""
    from eth_account import Account

    if allowed.chain_id != DEVELOPMENT_CHAIN_ID:
        raise InvalidSetting(
            f"KEEPER_PRIVATE_KEY is set, and the chain id is {allowed.chain_id}",
            remedy=f"A raw key works on chain id {DEVELOPMENT_CHAIN_ID} only: use KEEPER_KEYSTORE.",
        )
    try:
        account = Account.from_key(key)
    except (ValueError, TypeError):
        raise InvalidSetting(
            "KEEPER_PRIVATE_KEY is not a private key", remedy="0x and 64 hex digits."
        ) from None
    return LocalSigner(account, allowed)
