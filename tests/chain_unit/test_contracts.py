"""What is made of contracts' answers: trust in feeds, Aave's bitmap, Uniswap's paths, blocks."""

from __future__ import annotations

import pytest

from keeper.chain.contracts.erc20 import decimals
from keeper.chain.contracts.lending import configuration
from keeper.chain.contracts.pools import path, reversed_path
from keeper.chain.contracts.vault import RawStep, calldata
from keeper.chain.rpc.blocks import block_of, next_base_fee
from keeper.chain.rpc.multicall import decode_answers, hex_bytes
from keeper.domain.errors import NodeUntrusted, WrongChain
from keeper.domain.plan import Route, StepKind, VaultCall

NOW = 1_700_000_000
TOKENS = {
    "WETH": "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
    "USDC": "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
}


def test_aaves_bitmap_is_taken_apart_at_the_documented_bits() -> None:
    bitmap = (
        7_850
        | 8_100 << 16
        | 10_500 << 32
        | 18 << 48
        | 1 << 56
        | 1 << 58
        | 1 << 63
        | 1_500 << 64
        | 1_400_000 << 80
        | 1_800_000 << 116
        | 1_000 << 152
    )
    found = configuration(bitmap)
    assert (7_850, 8_100, 18, 1_500) == (
        found.ltv_bps,
        found.liquidation_threshold_bps,
        found.decimals,
        found.reserve_factor_bps,
    )
    assert (1_800_000, 1_400_000) == (found.supply_cap, found.borrow_cap)
    assert (True, False, False, True, True) == (
        found.active,
        found.frozen,
        found.paused,
        found.borrowing_enabled,
        found.flash_loan_enabled,
    )
    assert configuration(1 << 57).frozen
    assert configuration(1 << 60).paused


def test_a_path_runs_from_sold_to_bought_and_reversed_for_exact_output() -> None:
    route = Route(("WETH", "USDC"), (500,))
    weth, usdc = (TOKENS[symbol][2:].lower() for symbol in ("WETH", "USDC"))
    assert weth + "0001f4" + usdc == path(route, TOKENS.__getitem__).hex()
    assert usdc + "0001f4" + weth == reversed_path(route, TOKENS.__getitem__).hex()


def test_the_vault_call_has_the_selector_and_the_numbers_of_the_plan() -> None:
    step = RawStep(StepKind.REPAY, TOKENS["USDC"], 5, 0, b"")
    data = calldata(VaultCall.DELEVERAGE, 7, NOW, 9, [step])
    words = [int.from_bytes(data[4 + 32 * i : 36 + 32 * i], "big") for i in range(3)]
    assert [7, NOW, 9] == words
    assert data[:4] != calldata(VaultCall.REBALANCE, 7, NOW, 9, [step])[:4]


def test_the_next_base_fee_follows_eip_1559() -> None:
    # A full block raises it by an eighth, an empty one lowers it by an eighth, half full keeps it.
    assert 112_500_000_000 == next_base_fee(100_000_000_000, 30_000_000, 30_000_000)
    assert 87_500_000_000 == next_base_fee(100_000_000_000, 0, 30_000_000)
    assert 100_000_000_000 == next_base_fee(100_000_000_000, 15_000_000, 30_000_000)
    assert 8 == next_base_fee(7, 15_000_001, 30_000_000)


def a_head(**changes: object) -> dict[str, object]:
    head = {"number": "0x10", "hash": "0xab", "timestamp": "0x62a28980", "gasUsed": "0x0", "gasLimit": "0x2"}
    return head | changes


def test_a_node_on_another_chain_is_refused_by_both_ids() -> None:
    with pytest.raises(WrongChain, match=r"KEEPER_CHAIN_ID is 1, but the node is on chain 31337"):
        block_of(1, "0x7a69", a_head())


@pytest.mark.parametrize(
    "head",
    [None, "0x", {}, a_head(number=None), a_head(timestamp=5), a_head(hash=None), a_head(number="0xzz")],
)
def test_a_head_that_is_not_a_block_is_not_believed(head: object) -> None:
    with pytest.raises(NodeUntrusted):
        block_of(1, "0x1", head)


@pytest.mark.parametrize("answer", [None, 5, "hello", "0xzz", "0x", "0x1234", "0x" + "00" * 64])
def test_a_multicall_answer_that_is_none_is_not_believed(answer: object) -> None:
    with pytest.raises(NodeUntrusted):
        decode_answers([decimals(TOKENS["WETH"])], answer)


def test_hex_is_read_as_bytes() -> None:
    assert b"\x01\xff" == hex_bytes("0x01ff")
