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
    ("somebody", -32_000, "the moon is full", Refusal.UNRECOGNISED),
    ("somebody", 0, "", Refusal.UNRECOGNISED),
]


@pytest.mark.parametrize(("node", "code", "text", "meaning"), WORDS)
def test_the_words_of_a_node_are_understood_and_unknown_ones_mean_maybe_sent(
    node: str, code: int, text: str, meaning: Refusal
) -> None:
    assert refusal(code, text) is meaning
