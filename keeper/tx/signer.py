"""The key. It signs calls of one vault on one chain, and nothing else, whoever asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.domain.errors import InvalidSetting, NotAuthorised
from keeper.domain.tx import Attempt, Intent
from keeper.tx.fees import Fees

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount

DEVELOPMENT_CHAIN_ID = 31_337
KEYSTORE_VERSION = 3
SELECTORS = {
    "rebalance": "0x7df868c7",
    "deleverage": "0x9f6dec41",
}
"""First four bytes of keccak256 of the vault's two functions that the keeper may call."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """What may be signed for."""

    chain_id: int
    vault: str


class LocalSigner:
    """An account in this process. Its repr shows the address only."""

    def __init__(self, account: LocalAccount, allowed: Allowed) -> None:
        self._account = account
        self._allowed = allowed

    def __repr__(self) -> str:
        return f"LocalSigner({self.address})"

    @property
    def address(self) -> str:
        address: str = self._account.address
        return address

    def sign(self, intent: Intent, fees: Fees) -> Attempt:
        """The signed transaction of an intent. Raises NotAuthorised, before signing, outside the
        allowlist."""
        from eth_typing import HexStr
        from eth_utils.address import to_checksum_address

        self._require_allowed(intent, fees)
        payload = intent.payload
        signed = self._account.sign_transaction(
            {
                "type": 2,
                "chainId": payload.chain_id,
                "nonce": intent.nonce,
                "to": to_checksum_address(payload.vault),
                "value": 0,
                "data": HexStr(payload.calldata),
                "gas": payload.gas_limit,
                "maxFeePerGas": fees.max_fee_wei,
                "maxPriorityFeePerGas": fees.tip_wei,
            }
        )
        return Attempt(
            intent_id=intent.intent_id,
            tx_hash=signed.hash.to_0x_hex(),
            raw=signed.raw_transaction.to_0x_hex(),
            max_fee_per_gas_wei=fees.max_fee_wei,
            max_priority_fee_per_gas_wei=fees.tip_wei,
        )

    def _require_allowed(self, intent: Intent, fees: Fees) -> None:
        payload, allowed = intent.payload, self._allowed
        wrong = (
            f"chain id {payload.chain_id}, allowed is {allowed.chain_id}"
            if payload.chain_id != allowed.chain_id
            else f"recipient {payload.vault}, allowed is {allowed.vault}"
            if payload.vault.lower() != allowed.vault.lower()
            else f"function {payload.calldata[:10]}, allowed are rebalance and deleverage"
            if payload.calldata[:10].lower() not in SELECTORS.values()
            else f"sender {payload.sender}, this key is {self.address}"
            if payload.sender.lower() != self.address.lower()
            else f"{fees.max_fee_wei} wei per gas, the cap is {payload.max_fee_cap_wei}"
            if fees.max_fee_wei > payload.max_fee_cap_wei or fees.tip_wei > fees.max_fee_wei
            else ""
        )
        if wrong:
            raise NotAuthorised(
                f"not signed: {wrong}", remedy="This must not happen: report it with the journal."
            )


def from_keystore(path: Path, password: Callable[[], str], allowed: Allowed) -> LocalSigner:
    """Opens an encrypted keystore (V3). Raises InvalidSetting that never shows what is in it."""
    from eth_account import Account

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not JSON"
        raise InvalidSetting(
            f"KEEPER_KEYSTORE = {path}: cannot be read ({reason})",
            remedy="Point it to an encrypted keystore (V3) file.",
        ) from None
    if not isinstance(content, dict) or content.get("version") != KEYSTORE_VERSION:
        raise InvalidSetting(
            f"KEEPER_KEYSTORE = {path}: not an encrypted keystore of version {KEYSTORE_VERSION}",
            remedy="Make one with `cast wallet import`, geth or eth_account.",
        )
    try:
        key = Account.decrypt(content, password())
    except (ValueError, KeyError, TypeError):
        raise InvalidSetting(
            f"KEEPER_KEYSTORE = {path}: the password does not open it",
            remedy="Check KEEPER_KEYSTORE_PASSWORD_FILE, or type the password again.",
        ) from None
    return LocalSigner(Account.from_key(key), allowed)


def from_development_key(key: str, allowed: Allowed) -> LocalSigner:
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
