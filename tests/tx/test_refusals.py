"""The words of nodes, rollups and relays. The tables are written from the sources and threads of the programs named."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keeper.domain.errors import NodeUnavailable, RpcError
from keeper.tx.refusals import Refusal, RefusalKind, refusal

K = RefusalKind
RECORDED = Path(os.environ.get("KEEPER_DATA_DIR") or "../shared/data") / "client_errors.csv"
NAMED_OTHERWISE = {"FEE_CAP_OF_NODE": K.FEE_TOO_HIGH}
"""Classes of the recorded table under their names here."""

WORDS = [
    # -------------------------------------------------------------- known already
    ("geth, Reth", -32_000, "already known", K.ALREADY_KNOWN),
    ("geth before 1.9", -32_000, "known transaction: 0x7f65…", K.ALREADY_KNOWN),
    ("geth before 1.9", -32_000, "Known transaction (7f65)", K.ALREADY_KNOWN),
    ("Besu", -32_000, "Known transaction", K.ALREADY_KNOWN),
    ("Anvil", -32_003, "transaction already imported", K.ALREADY_KNOWN),
    ("Nethermind", -32_010, "AlreadyKnown", K.ALREADY_KNOWN),
    ("Nethermind", -32_010, "call failed: OwnNonceAlreadyUsed", K.ALREADY_KNOWN),
    ("Erigon", -32_000, "INTERNAL_ERROR: existing tx with same hash", K.ALREADY_KNOWN),
    ("OpenEthereum", -32_010, "Transaction with the same hash was already imported.", K.ALREADY_KNOWN),
    (
        "zkSync",
        3,
        "known transaction. transaction with hash 0x60…53 is already in the system",
        K.ALREADY_KNOWN,
    ),
    ("Moonbeam", -32_603, "submit transaction to pool failed: Pool(AlreadyImported)", K.ALREADY_KNOWN),
    # --------------------------------------------------------------------- nonces
    ("geth, Reth", -32_000, "nonce too low: next nonce 5, tx nonce 4", K.NONCE_TOO_LOW),
    ("Besu", -32_001, "Nonce too low", K.NONCE_TOO_LOW),
    ("Besu", -32_001, "transaction nonce 4 below sender account nonce 5", K.NONCE_TOO_LOW),
    ("Nethermind", -32_010, "OldNonce, Current nonce: 5, nonce of rejected tx: 4", K.NONCE_TOO_LOW),
    ("Nitro", -32_000, "nonce too low: address 0xab, tx: 8089 state: 8090", K.NONCE_TOO_LOW),
    ("OpenEthereum", -32_010, "Transaction nonce is too low. Try incrementing the nonce.", K.NONCE_TOO_LOW),
    ("Mantle", -32_000, "failed to forward tx to sequencer. Error message: 'nonce too low'", K.NONCE_TOO_LOW),
    ("zkSync", 3, "nonce too low. allowed nonce range: 4 - 24, actual: 3", K.NONCE_TOO_LOW),
    ("Moonbeam", -32_603, "submit transaction to pool failed: Pool(Stale)", K.NONCE_TOO_LOW),
    ("a gateway", -32_603, "Internal error: rpc error: nonce too low", K.NONCE_TOO_LOW),
    ("geth", -32_000, "nonce too high", K.NONCE_TOO_HIGH),
    ("geth, delegated accounts", -32_000, "gapped-nonce tx from delegated accounts", K.NONCE_TOO_HIGH),
    ("Nethermind", -32_010, "NonceGap, Future nonce. Expected nonce: 5", K.NONCE_TOO_HIGH),
    ("Besu", -32_006, "Nonce too distant from current sender nonce", K.NONCE_TOO_HIGH),
    # ---------------------------------------------------------------- replacements
    ("geth", -32_000, "replacement transaction underpriced", K.REPLACEMENT_UNDERPRICED),
    ("Besu", -32_000, "Replacement transaction underpriced", K.REPLACEMENT_UNDERPRICED),
    ("Besu", -32_000, "Transaction gas price supplied is too low to replace it", K.REPLACEMENT_UNDERPRICED),
    ("Nethermind", -32_010, "ReplacementNotAllowed", K.REPLACEMENT_UNDERPRICED),
    ("Erigon", -32_000, "could not replace existing tx", K.REPLACEMENT_UNDERPRICED),
    (
        "Reth",
        -32_000,
        "[0xab]: insufficient gas price to replace existing transaction.",
        K.REPLACEMENT_UNDERPRICED,
    ),
    (
        "Klaytn",
        -32_000,
        "there is another tx which has the same nonce in the tx pool",
        K.REPLACEMENT_UNDERPRICED,
    ),
    ("ethers", -32_000, "replacement fee too low", K.REPLACEMENT_UNDERPRICED),
    (
        "OpenEthereum",
        -32_010,
        "Transaction gas price 1wei is too low. There is another transaction with same nonce in the queue with it.",
        K.REPLACEMENT_UNDERPRICED,
    ),
    # ----------------------------------------------------------------- fee too low
    ("geth", -32_000, "transaction underpriced: gas tip cap 1, minimum needed 2", K.FEE_TOO_LOW),
    ("Bor", -32_000, "transaction gas price below minimum: gas tip cap 25, minimum needed 26", K.FEE_TOO_LOW),
    ("Erigon", -32_000, "underpriced", K.FEE_TOO_LOW),
    ("Erigon", -32_000, "fee too low", K.FEE_TOO_LOW),
    ("Erigon", -32_000, "baseFee sub-pool is full", K.FEE_TOO_LOW),
    ("Nethermind", -32_010, "FeeTooLow, EffectivePriorityFeePerGas too low 10 < 20", K.FEE_TOO_LOW),
    ("Nethermind", -32_010, "FeeTooLowToCompete", K.FEE_TOO_LOW),
    ("Besu", -32_009, "Gas price below configured minimum gas price", K.FEE_TOO_LOW),
    ("Besu", -32_009, "Gas price below current base fee", K.FEE_TOO_LOW),
    (
        "Nitro",
        -32_000,
        "max fee per gas less than block base fee: address 0xab, maxFeePerGas: 1",
        K.FEE_TOO_LOW,
    ),
    ("Nitro", -32_000, "gas price too low", K.FEE_TOO_LOW),
    ("Nitro", -32_000, "queue full", K.FEE_TOO_LOW),
    ("Nitro", -32_000, "sequencer pending tx pool full, please try again", K.FEE_TOO_LOW),
    ("Anvil", -32_003, "max fee per gas less than block base fee", K.FEE_TOO_LOW),
    ("geth, Reth", -32_000, "txpool is full", K.FEE_TOO_LOW),
    ("Reth", -32_000, "transaction discarded outright due to pool size constraints", K.FEE_TOO_LOW),
    ("Metis", -32_000, "gas price too low: 18 wei, use at least tx.gasPrice = 19 wei", K.FEE_TOO_LOW),
    # ---------------------------------------------------------------- fee too high
    ("geth", -32_000, "tx fee (1.02 ether) exceeds the configured cap (1.00 ether)", K.FEE_TOO_HIGH),
    ("Reth", -32_000, "tx fee (1.02 ether) exceeds the configured cap (1 ether)", K.FEE_TOO_HIGH),
    ("Besu", -32_000, "Transaction fee cap exceeded", K.FEE_TOO_HIGH),
    ("geth", -32_000, "max priority fee per gas higher than max fee per gas: address 0xab", K.FEE_TOO_HIGH),
    # ----------------------------------------------------------------------- funds
    (
        "geth",
        -32_000,
        "insufficient funds for gas * price + value: balance 0, tx cost 9",
        K.INSUFFICIENT_FUNDS,
    ),
    ("op-geth", -32_000, "insufficient funds for gas * price + value: have 1 want 2", K.INSUFFICIENT_FUNDS),
    ("geth", -32_000, "insufficient balance for transfer", K.INSUFFICIENT_FUNDS),
    ("geth", -32_000, "transaction would cause overdraft", K.INSUFFICIENT_FUNDS),
    ("Nitro", -32_000, "not enough funds for gas", K.INSUFFICIENT_FUNDS),
    ("Anvil", -32_003, "Insufficient funds for gas * price + value", K.INSUFFICIENT_FUNDS),
    ("Besu", -32_004, "Upfront cost exceeds account balance", K.INSUFFICIENT_FUNDS),
    ("Nethermind", -32_010, "InsufficientFunds, Balance is 10 less than sending value", K.INSUFFICIENT_FUNDS),
    ("Monad", -32_603, "Signer had insufficient balance", K.INSUFFICIENT_FUNDS),
    # --------------------------------------------------------------------- not now
    (
        "geth, delegated accounts",
        -32_000,
        "in-flight transaction limit reached for delegated accounts",
        K.NOT_NOW,
    ),
    ("geth, Reth", -32_000, "address already reserved", K.NOT_NOW),
    ("Erigon", -32_000, "authority already reserved", K.NOT_NOW),
    ("a gateway", -32_005, "Too Many Requests", K.NOT_NOW),
    ("a gateway", -32_005, "daily request count exceeded, request rate limited", K.NOT_NOW),
    # --------------------------------------------------------------------- invalid
    ("geth", -32_000, "intrinsic gas too low: gas 1, minimum needed 21000", K.INVALID),
    ("geth", -32_000, "insufficient gas for floor data gas cost: gas 1, minimum needed 2", K.INVALID),
    ("geth", -32_000, "exceeds block gas limit", K.INVALID),
    ("geth", -32_000, "transaction gas limit too high (cap: 16777216, tx: 20000000)", K.INVALID),
    ("geth", -32_000, "oversized data: transaction size 138074, limit 131072", K.INVALID),
    ("geth", -32_000, "unknown transaction type", K.INVALID),
    ("geth", -32_000, "transaction type not supported", K.INVALID),
    ("geth", -32_000, "only replay-protected (EIP-155) transactions allowed over RPC", K.INVALID),
    ("Besu", -32_003, "Intrinsic gas exceeds gas limit", K.INVALID),
    ("Nethermind", -32_010, "call failed: GasLimitExceeded, Gas limit: 100", K.INVALID),
    ("Nethermind", -32_010, "Invalid, TxTypeNotSupported", K.INVALID),
    ("Nitro", -32_000, "forbidden sender address", K.INVALID),
    ("Nitro", 3, "execution reverted: nonce too low", K.INVALID),
    ("anybody", -32_602, "cannot unmarshal hex string", K.INVALID),
    # --------------------------------------------------------------- no such method
    ("geth", -32_601, "the method eth_x does not exist/is not available", K.NOT_SUPPORTED),
    ("a relay", -32_600, "Unsupported method", K.NOT_SUPPORTED),
    ("a relay", -32_600, "Unsupported method: eth_sendPrivateTransaction. See the manual.", K.NOT_SUPPORTED),
    ("a gateway", -32_000, "rpc method is not whitelisted", K.NOT_SUPPORTED),
    ("Besu", -32_604, "Method not enabled", K.NOT_SUPPORTED),
    ("a gateway", -32_004, "we do not do this here", K.NOT_SUPPORTED),
    ("a gateway", -32_601, "", K.NOT_SUPPORTED),
    # ------------------------------------------------------------- nobody knows what
    ("somebody", -32_000, "the moon is full", K.UNRECOGNISED),
    ("somebody", 0, "", K.UNRECOGNISED),
]
ONE_CLAUSE = [
    (text.lower(), kind)
    for _, _, text, kind in WORDS
    if text and kind is not K.UNRECOGNISED and not set(text) & set(":.,(['")
]


def said(text: str, code: int = -32_000) -> Refusal:
    return refusal(RpcError("eth_sendRawTransaction", code, text, None))


@pytest.mark.parametrize(("node", "code", "text", "kind"), WORDS)
def test_the_words_of_a_node_are_understood_and_unknown_ones_mean_maybe_sent(
    node: str, code: int, text: str, kind: RefusalKind
) -> None:
    assert said(text, code) == Refusal(kind, text, said(text).fee_cap_wei)


@pytest.mark.skipif(not RECORDED.is_file(), reason="no recorded client errors in KEEPER_DATA_DIR")
def test_the_recorded_client_errors_are_all_understood() -> None:
    with RECORDED.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    wrong = {
        row["text"]: said(row["text"]).kind
        for row in rows
        if said(row["text"]).kind != NAMED_OTHERWISE.get(row["class"], row["class"])
    }
    assert wrong == {}
    assert len(rows) >= 83


@given(st.sampled_from(ONE_CLAUSE), st.from_regex(r"[a-z]{1,8}", fullmatch=True))
def test_a_phrase_that_is_a_part_of_a_word_is_not_that_phrase(
    phrase: tuple[str, RefusalKind], letters: str
) -> None:
    text, kind = phrase
    assert said(f"{letters}q{text}").kind is not kind


@pytest.mark.parametrize(
    "text",
    ["unknown transaction type", "unknown transaction", "not already known", "the nonce too lowered"],
)
def test_a_part_of_a_clause_decides_nothing(text: str) -> None:
    assert said(text).kind in (K.INVALID, K.UNRECOGNISED)


@pytest.mark.parametrize(
    ("text", "wei"),
    [
        ("tx fee (1.02 ether) exceeds the configured cap (1.00 ether)", 10**18),
        ("tx fee (1.02 ether) exceeds the configured cap (0.25 ether)", 10**18 // 4),
        ("Transaction fee cap exceeded", None),
    ],
)
def test_a_cap_that_the_node_states_is_read(text: str, wei: int | None) -> None:
    assert said(text).fee_cap_wei == wei


def test_no_answer_means_maybe_sent() -> None:
    assert refusal(NodeUnavailable("timed out", remedy="")) == Refusal(K.UNRECOGNISED, "timed out")
