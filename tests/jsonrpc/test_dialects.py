"""Refusals of reads in the words of clients and providers."""

from __future__ import annotations

import pytest

from keeper.jsonrpc.dialects import ReadRefusal, read_refusal

TRANSIENT, UNKNOWN_BLOCK, TOO_LARGE, FINAL = ReadRefusal


@pytest.mark.parametrize(
    ("code", "text", "meaning"),
    [
        # A block that another node behind the same address has.
        (-32000, "header not found", UNKNOWN_BLOCK),
        (-32000, "header for hash not found", UNKNOWN_BLOCK),
        (-32001, "block not found: 0xabc", UNKNOWN_BLOCK),
        (-32001, "Resource not found", UNKNOWN_BLOCK),
        (-32001, "Unknown block error", UNKNOWN_BLOCK),
        (-32000, "Unknown block", UNKNOWN_BLOCK),
        (-32000, "transaction indexing is in progress", TRANSIENT),
        # Rate limits.
        (-32005, "limit exceeded", TRANSIENT),
        (-32005, "daily request count exceeded, request rate limited", TRANSIENT),
        (-32007, "50/second request limit reached - reduce calls per second", TRANSIENT),
        (429, "Your app has exceeded its compute units per second capacity", TRANSIENT),
        (-32029, "Too Many Requests", TRANSIENT),
        (-32029, "", TRANSIENT),
        (-32016, "over rate limit", TRANSIENT),
        (-32009, "Server is busy, try again later", TRANSIENT),
        (-32002, "request timed out", TRANSIENT),
        # Sizes.
        (-32600, "batch too large", TOO_LARGE),
        (
            -32000,
            "batch limit 100 exceeded (can increase by --rpc.batch.limit). Requested batch of size: 401",
            TOO_LARGE,
        ),
        (-32600, "Number of requests in batch exceeds --rpc-max-batch-size.", TOO_LARGE),
        (-32010, "The batch request was too large", TOO_LARGE),
        (-32007, "Request is too big", TOO_LARGE),
        (-32008, "Response is too big", TOO_LARGE),
        (-32003, "response too large", TOO_LARGE),
        (-32005, "Batched requests are not supported by this server", TOO_LARGE),
        (-32000, "out of gas", TOO_LARGE),
        (-32603, "EVM error OutOfGas", TOO_LARGE),
        (-32015, "out of gas: gas required exceeds: 50000000", TOO_LARGE),
        (-32000, "gas required exceeds allowance (50000000)", TOO_LARGE),
        (-32000, "execution aborted (timeout = 5s)", TOO_LARGE),
        # Answers.
        (3, "execution reverted", FINAL),
        (3, "execution reverted: limit exceeded", FINAL),
        (3, "execution reverted: out of gas", FINAL),
        (-32601, "the method eth_simulateV1 does not exist/is not available", FINAL),
        (-32602, "invalid argument 1", FINAL),
        (-32000, "missing trie node 7a8d (path ) state 0x7a8d is not available", FINAL),
        (-32002, "No state available for block 36600", FINAL),
        (-32801, "no historical RPC is available for this historical (pre-bedrock) execution request", FINAL),
        (0, "'Missed `to` address'", FINAL),
    ],
)
def test_words_and_codes_of_clients_and_providers(code: int, text: str, meaning: ReadRefusal) -> None:
    assert read_refusal(code, text) is meaning
