"""A key held by another process, through web3signer's ``eth_signTransaction``. The returned transaction is decoded and
compared with the request field by field before it is used."""

from __future__ import annotations

from itertools import count
from typing import Any, Self

import httpx

from keeper.domain.addresses import masked
from keeper.domain.errors import InvalidSetting, SignerUnavailable, SignerUntrusted
from keeper.domain.tx import Attempt, AttemptKind, Intent
from keeper.runtime.json_text import parsed_json
from keeper.tx.allowlist import AllowedTarget, Allowlist, UnsignedTransaction
from keeper.tx.fees import Fees

TIMEOUT_S = 10.0
MAX_RESPONSE_BYTES = 256 * 1024
TRIES = 2
"""Signing the same fields twice gives the same bytes, so a request whose connection failed may be repeated."""
_REMEDY = "Nothing was stored or sent. Check the signer and KEEPER_SIGNER_URL; the next cycle asks again."


class RemoteSigner:
    """For one account. The URL may hold credentials, so only scheme, host and port are ever shown."""

    def __init__(
        self, url: str, account: str, allowed: AllowedTarget, *, timeout_s: float = TIMEOUT_S
    ) -> None:
        from eth_utils.address import to_checksum_address

        self._url = url
        self._endpoint = masked(url)
        self._account = str(to_checksum_address(account))
        self._allowlist = Allowlist(allowed, self._account)
        self._ids = count(1)
        self._http = httpx.Client(timeout=httpx.Timeout(timeout_s), trust_env=False)

    def __repr__(self) -> str:
        return f"RemoteSigner({self._endpoint}, {self._account})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    @property
    def address(self) -> str:
        return self._account

    def require_account(self) -> None:
        """Raises InvalidSetting when the signer does not hold the account's key, SignerUnavailable."""
        accounts = self._request("eth_accounts", [])
        held = [str(account).lower() for account in accounts] if isinstance(accounts, list) else []
        if self._account.lower() not in held:
            raise InvalidSetting(
                f"KEEPER_SENDER = {self._account}: not among the {len(held)} key(s) of the signer at {self._endpoint}",
                remedy="Name an account of the signer, or load its key there.",
            )

    def require_allowed(self, intent: Intent, fees: Fees) -> None:
        """Raises NotAuthorised outside the allowlist."""
        self._allowlist.require(intent, fees, AttemptKind.CALL)

    def sign(self, intent: Intent, fees: Fees, kind: AttemptKind = AttemptKind.CALL) -> Attempt:
        """Raises NotAuthorised, SignerUnavailable, SignerUntrusted."""
        requested = self._allowlist.sign_for(intent, fees, kind)
        raw = self._request("eth_signTransaction", [_fields(requested, self._account)])
        return Attempt(
            intent_id=intent.intent_id,
            tx_hash=self._checked(raw, requested),
            raw=raw,
            max_fee_per_gas_wei=fees.max_fee_wei,
            max_priority_fee_per_gas_wei=fees.tip_wei,
            kind=kind,
        )

    # --------------------------------------------------------------------- inside

    def _checked(self, raw: Any, requested: UnsignedTransaction) -> str:
        """The transaction hash, after checking every field and the signature. Raises SignerUntrusted."""
        from eth_account import Account
        from eth_account.typed_transactions import TypedTransaction  # type: ignore[attr-defined]
        from eth_utils.crypto import keccak
        from hexbytes import HexBytes

        try:
            content = HexBytes(raw)
            got = TypedTransaction.from_bytes(content).as_dict()
            signed_by = str(Account.recover_transaction(raw))
        except Exception as error:  # noqa: BLE001 -- the bytes are foreign, and their decoders document no exceptions
            raise self._untrusted(f"not a signed transaction ({type(error).__name__})") from None
        expected = {
            "type": 2,
            "chainId": requested.chain_id,
            "nonce": requested.nonce,
            "to": HexBytes(requested.to),
            "value": 0,
            "data": HexBytes(requested.data),
            "gas": requested.gas,
            "maxFeePerGas": requested.max_fee_wei,
            "maxPriorityFeePerGas": requested.tip_wei,
            "accessList": (),
        }
        for name, value in expected.items():
            if _plain(got.get(name)) != _plain(value):
                raise self._untrusted(f"{name} is not the requested one")
        if signed_by.lower() != self._account.lower():
            raise self._untrusted(f"signed by {signed_by}, not by {self._account}")
        return "0x" + keccak(content).hex()

    def _request(self, method: str, params: list[Any]) -> Any:
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        answer = self._exchange(body)
        if not isinstance(answer, dict) or answer.get("id") != body["id"]:
            raise self._untrusted("the answer does not belong to the request")
        if answer.get("error") is not None:
            error = answer["error"]
            message = error.get("message") if isinstance(error, dict) else error
            raise SignerUnavailable(
                f"the signer at {self._endpoint} declines: {message!s:.200}", remedy=_REMEDY
            )
        return answer.get("result")

    def _exchange(self, body: dict[str, Any]) -> Any:
        for tries_left in reversed(range(TRIES)):
            try:
                with self._http.stream("POST", self._url, json=body) as response:
                    content = self._read(response)
            except httpx.TransportError as error:
                if tries_left:
                    continue
                raise SignerUnavailable(
                    f"no answer from the signer at {self._endpoint} ({type(error).__name__})", remedy=_REMEDY
                ) from None
            if response.status_code >= 300:
                raise SignerUnavailable(
                    f"the signer at {self._endpoint} answers HTTP {response.status_code}", remedy=_REMEDY
                )
            try:
                return parsed_json(content)
            except ValueError:
                raise self._untrusted("the answer is not JSON") from None
        raise AssertionError("the last try returns or raises")

    def _read(self, response: httpx.Response) -> bytes:
        content = b""
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_RESPONSE_BYTES:
                raise self._untrusted(f"an answer is larger than {MAX_RESPONSE_BYTES} bytes")
        return content

    def _untrusted(self, what: str) -> SignerUntrusted:
        return SignerUntrusted(
            f"signer at {self._endpoint}: {what}",
            remedy="Do not use this signer until the cause is known. Nothing was stored or sent.",
        )


def _fields(requested: UnsignedTransaction, account: str) -> dict[str, str]:
    """For Ethereum's JSON-RPC: quantities in hex."""
    return {
        "from": account,
        "to": requested.to,
        "chainId": hex(requested.chain_id),
        "nonce": hex(requested.nonce),
        "value": "0x0",
        "data": requested.data,
        "gas": hex(requested.gas),
        "maxFeePerGas": hex(requested.max_fee_wei),
        "maxPriorityFeePerGas": hex(requested.tip_wei),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return tuple(value) if isinstance(value, list | tuple) else value
