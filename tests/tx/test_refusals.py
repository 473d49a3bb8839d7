from __future__ import annotations

import pytest

from keeper.tx.refusals import Refusal, refusal

WORDS = [
    ("geth", -32_000, "already known", Refusal.ALREADY_KNOWN),
    ("Anvil", -32_003, "transaction already imported", Refusal.ALREADY_KNOWN),
    ("Nethermind", -32_010, "AlreadyKnown", Refusal.ALREADY_KNOWN),
    ("geth", -32_000, "nonce too low: next nonce 5, tx nonce 4", Refusal.NONCE_TOO_LOW),
    ("Nethermind", -32_010, "OldNonce, Current nonce: 5, nonce of rejected tx: 4", Refusal.NONCE_TOO_LOW),
    ("hidden in an internal error", -32_603, "Internal error: nonce too low", Refusal.NONCE_TOO_LOW),
    ("geth", -32_000, "nonce too high", Refusal.NONCE_TOO_HIGH),
    ("geth", -32_000, "replacement transaction underpriced", Refusal.REPLACEMENT_UNDERPRICED),
    ("Nethermind", -32_010, "ReplacementNotAllowed", Refusal.REPLACEMENT_UNDERPRICED),
    ("Erigon", -32_000, "could not replace existing tx", Refusal.REPLACEMENT_UNDERPRICED),
    ("geth", -32_000, "transaction underpriced: gas tip cap 1", Refusal.FEE_TOO_LOW),
    ("geth", -32_000, "max fee per gas less than block base fee", Refusal.FEE_TOO_LOW),
    ("geth", -32_000, "insufficient funds for gas * price + value", Refusal.INSUFFICIENT_FUNDS),
    ("Anvil", -32_003, "Insufficient funds for gas * price + value", Refusal.INSUFFICIENT_FUNDS),
    ("geth", -32_000, "intrinsic gas too low: gas 1, minimum needed 21000", Refusal.INVALID),
    ("geth", -32_000, "exceeds block gas limit", Refusal.INVALID),
    ("Erigon", -32_000, "INTERNAL_ERROR: existing tx with same hash", Refusal.ALREADY_KNOWN),
    ("Besu", -32_000, "Known transaction", Refusal.ALREADY_KNOWN),
    ("Reth", -32_000, "nonce too low: next nonce 5, tx nonce 4", Refusal.NONCE_TOO_LOW),
    (
        "OpenEthereum",
        -32_010,
        "Transaction nonce is too low. Try incrementing the nonce.",
        Refusal.NONCE_TOO_LOW,
    ),
    ("Nethermind", -32_010, "NonceGap, Future nonce. Expected nonce: 5", Refusal.NONCE_TOO_HIGH),
    ("Besu", -32_006, "Nonce too distant from current sender nonce", Refusal.NONCE_TOO_HIGH),
    ("ethers' words", -32_000, "replacement fee too low", Refusal.REPLACEMENT_UNDERPRICED),
    (
        "Reth",
        -32_000,
        "[0xab]: insufficient gas price to replace existing transaction.",
        Refusal.REPLACEMENT_UNDERPRICED,
    ),
    ("Nethermind", -32_010, "FeeTooLow, EffectivePriorityFeePerGas too low", Refusal.FEE_TOO_LOW),
    ("geth", -32_000, "txpool is full", Refusal.FEE_TOO_LOW),
    ("Anvil", -32_003, "max fee per gas less than block base fee", Refusal.FEE_TOO_LOW),
    ("Besu", -32_004, "Upfront cost exceeds account balance", Refusal.INSUFFICIENT_FUNDS),
    ("geth", -32_000, "transaction gas limit too high (cap: 16777216, tx: 20000000)", Refusal.INVALID),
    (
        "a node without it",
        -32_601,
        "the method eth_sendPrivateTransaction does not exist",
        Refusal.NOT_SUPPORTED,
    ),
    ("anybody", -32_602, "cannot unmarshal hex string", Refusal.INVALID),
    ("somebody", -32_000, "the moon is full", Refusal.UNRECOGNISED),
    ("somebody", 0, "", Refusal.UNRECOGNISED),
]


@pytest.mark.parametrize(("node", "code", "text", "meaning"), WORDS)
def test_the_words_of_a_node_are_understood_and_unknown_ones_mean_maybe_sent(
    node: str, code: int, text: str, meaning: Refusal
) -> None:
    assert refusal(code, text) is meaning
