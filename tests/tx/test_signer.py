from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from eth_keys.backends import get_backend
from eth_keys.backends.coincurve import CoinCurveECCBackend
from eth_typing import HexStr
from hexbytes import HexBytes

from keeper.chain.abi import load
from keeper.domain.errors import InvalidSetting, NotAuthorised
from keeper.domain.roles_modifier import RolesModifier, question
from keeper.domain.tx import AttemptKind, Intent, Payload
from keeper.tx.allowlist import REBALANCER_SELECTORS, SHARES_SELECTORS, AllowedTarget
from keeper.tx.fees import Fees
from keeper.tx.signer import LocalSigner, from_development_key, from_keystore
from tests.tx.node_double import (
    CHAIN_ID,
    GWEI,
    PUBLIC_DEVELOPMENT_KEY,
    SENDER,
    SHARES,
    VAULT,
    a_payload,
    a_signer,
    read,
    targets,
)

FEES = Fees(20 * GWEI, GWEI)
CANARY = "0x" + "c0ffee" * 10 + "c0de"


def test_what_is_signed_is_what_was_asked_for_and_nothing_else() -> None:
    attempt = a_signer().sign(Intent("one", 7, a_payload()), FEES)
    sent = read(attempt.raw)
    assert (sent.tx_hash, sent.sender, sent.nonce) == (attempt.tx_hash, SENDER, 7)
    assert (sent.data, sent.max_fee, sent.tip) == (a_payload().calldata, 20 * GWEI, GWEI)
    assert (attempt.max_fee_per_gas_wei, attempt.max_priority_fee_per_gas_wei) == (20 * GWEI, GWEI)


def test_the_same_intent_and_fees_give_the_same_bytes() -> None:
    intent = Intent("one", 7, a_payload())
    assert a_signer().sign(intent, FEES) == a_signer().sign(intent, FEES)


@pytest.mark.parametrize(
    ("contract", "selectors"), [("Rebalancer", REBALANCER_SELECTORS), ("VaultShares", SHARES_SELECTORS)]
)
def test_the_allowed_selectors_are_those_of_the_vaults_abi(
    contract: str, selectors: Mapping[str, str]
) -> None:
    abi = load(contract)
    for name, selector in selectors.items():
        assert "0x" + abi[name].selector.hex() == selector


def test_the_shares_may_be_called_to_close_and_settle_batches_only() -> None:
    for selector in SHARES_SELECTORS.values():
        payload = replace(a_payload(), to=SHARES, calldata=selector)
        assert read(a_signer().sign(Intent("one", 7, payload), FEES).raw).data == selector


OUTSIDE = {
    "chain": replace(a_payload(), chain_id=1),
    "recipient": replace(a_payload(), to="0x" + "66" * 20),
    "transfer": replace(a_payload(), calldata="0xa9059cbb" + "00" * 64),
    "the rebalancer's function at the shares": replace(a_payload(), to=SHARES),
    "the shares' function at the rebalancer": replace(a_payload(), calldata=SHARES_SELECTORS["close"]),
    "no function": replace(a_payload(), calldata="0x"),
    "sender": replace(a_payload(), sender="0x" + "66" * 20),
    "fee cap": replace(a_payload(), max_fee_cap_wei=20 * GWEI - 1),
}


@pytest.mark.parametrize("payload", OUTSIDE.values(), ids=OUTSIDE)
def test_n7_anything_outside_the_allowlist_is_not_signed(payload: Any) -> None:
    with pytest.raises(NotAuthorised, match="not signed"):
        a_signer().sign(Intent("one", 7, payload), FEES)


MODIFIER = RolesModifier("0xde709f2102306220921060314715629080e2fb77", "0x" + "01" * 32)
INNER = bytes.fromhex(a_payload().calldata[2:])


def behind_a_safe() -> LocalSigner:
    allowed = AllowedTarget(CHAIN_ID, lambda: replace(targets(), modifier=MODIFIER))
    return from_development_key(PUBLIC_DEVELOPMENT_KEY, allowed)


def through(modifier: RolesModifier = MODIFIER, to: str = VAULT, inner: bytes = INNER) -> Payload:
    wrapped = "0x" + modifier.wrapped(to, inner).hex()
    return replace(a_payload(), to=modifier.address, calldata=wrapped)


def test_behind_a_safe_the_vaults_calls_are_signed_for_the_modifier_and_those_of_anybody_for_the_shares() -> (
    None
):
    sent = read(behind_a_safe().sign(Intent("one", 7, through()), FEES).raw)
    assert sent.data == through().calldata
    settles = replace(a_payload(), to=SHARES, calldata=SHARES_SELECTORS["close"])
    assert read(behind_a_safe().sign(Intent("two", 8, settles), FEES).raw).data == settles.calldata


def in_other_words(place: int) -> Payload:
    """The wrapped call with another word at a place: 1 is the value, 3 the operation, 5 whether a failure reverts."""
    data = bytearray.fromhex(through().calldata[2:])
    data[4 + 32 * place + 31] ^= 1
    return replace(through(), calldata="0x" + data.hex())


BESIDE_THE_ROLE = {
    "past the modifier": a_payload(),
    "another modifier": through(replace(MODIFIER, address="0x" + "66" * 20)),
    "another role": through(replace(MODIFIER, role="0x" + "02" * 32)),
    "another recipient": through(to="0x" + "66" * 20),
    "another function": through(inner=bytes.fromhex("a9059cbb") + bytes(64)),
    "the shares' function": through(inner=bytes.fromhex(SHARES_SELECTORS["close"][2:])),
    "value": in_other_words(1),
    "a delegatecall": in_other_words(3),
    "a failure that does not revert": in_other_words(5),
    "the question": replace(through(), calldata="0x" + question(bytes.fromhex(through().calldata[2:])).hex()),
}


@pytest.mark.parametrize("payload", BESIDE_THE_ROLE.values(), ids=BESIDE_THE_ROLE)
def test_behind_a_safe_nothing_but_the_two_calls_in_the_keys_role_is_signed(payload: Payload) -> None:
    with pytest.raises(NotAuthorised, match="not signed"):
        behind_a_safe().sign(Intent("one", 7, payload), FEES)


def test_a_tip_above_the_fee_cap_is_not_signed() -> None:
    with pytest.raises(NotAuthorised):
        a_signer().sign(Intent("one", 7, a_payload()), Fees(GWEI, 2 * GWEI))


def test_a_raw_key_works_on_the_development_chain_only() -> None:
    with pytest.raises(InvalidSetting, match="chain id is 1"):
        from_development_key(PUBLIC_DEVELOPMENT_KEY, AllowedTarget(1, targets))


def test_an_encrypted_keystore_opens_with_its_password(tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(
        json.dumps(Account.encrypt(HexStr(PUBLIC_DEVELOPMENT_KEY), "horse", kdf="pbkdf2", iterations=2))
    )
    assert from_keystore(path, lambda: "horse", AllowedTarget(1, targets)).address == SENDER


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"version": 3, "crypto": {}}', '{"version": 2}'])
def test_a_file_that_is_no_keystore_is_refused_by_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "key.json"
    path.write_text(content)
    with pytest.raises(InvalidSetting, match="KEEPER_KEYSTORE"):
        from_keystore(path, lambda: "horse", AllowedTarget(1, targets))


def test_no_secret_is_in_a_repr_or_a_traceback(tmp_path: Path) -> None:
    shown = [repr(from_development_key(CANARY, AllowedTarget(CHAIN_ID, targets)))]
    path = tmp_path / "key.json"
    path.write_text(json.dumps(Account.encrypt(HexStr(CANARY), "right", kdf="pbkdf2", iterations=2)))
    openings: tuple[Callable[[], object], ...] = (
        lambda: from_keystore(path, lambda: "canary password", AllowedTarget(1, targets)),
        lambda: from_development_key(CANARY, AllowedTarget(1, targets)),
        lambda: from_development_key(CANARY + "zz", AllowedTarget(CHAIN_ID, targets)),
    )
    for open_it in openings:
        with pytest.raises(InvalidSetting) as refused:
            open_it()
        shown += traceback.format_exception(refused.value)
        shown += [refused.value.message, refused.value.remedy]
    said = "\n".join(shown).lower()
    assert "c0ffee" not in said
    assert "canary password" not in said.replace('lambda: "canary password"', "")


def test_row_65_a_second_call_for_a_nonce_is_refused_unless_it_supersedes() -> None:
    signer, other = a_signer(), replace(a_payload(), calldata="0x99bd1f20")
    signer.sign(Intent("one", 7, a_payload()), FEES)
    with pytest.raises(NotAuthorised, match="second call for nonce 7"):
        signer.sign(Intent("two", 7, other), FEES)
    assert signer.sign(Intent("three", 7, other, "one"), FEES)


def test_asking_whether_something_may_be_signed_binds_no_nonce() -> None:
    signer = a_signer()
    signer.require_allowed(Intent("one", 7, a_payload()), FEES)
    assert signer.sign(Intent("two", 7, a_payload(4)), FEES)


def test_a_no_op_goes_to_the_key_itself_and_carries_nothing() -> None:
    attempt = a_signer().sign(Intent("one", 7, a_payload()), FEES, AttemptKind.CANCEL)
    fields = TypedTransaction.from_bytes(HexBytes(attempt.raw)).as_dict()
    assert attempt.kind is AttemptKind.CANCEL
    assert HexBytes(fields["to"]) == HexBytes(SENDER)
    assert (fields["value"], HexBytes(fields["data"]), fields["gas"], fields["nonce"]) == (
        0,
        HexBytes("0x"),
        21_000,
        7,
    )


def test_signatures_are_made_by_libsecp256k1() -> None:
    """In C and in constant time. Without coincurve eth-keys would sign in pure Python: run ``make setup``."""
    assert isinstance(get_backend(), CoinCurveECCBackend)
