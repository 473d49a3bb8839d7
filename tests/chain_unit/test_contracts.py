"""What is made of contracts' answers: trust in feeds, Aave's bitmap, Uniswap's paths, blocks."""

from __future__ import annotations

import pytest

from keeper.chain.contracts.lending import configuration
from keeper.chain.contracts.pools import path
from keeper.chain.contracts.vault import RawFlash, RawStep, calldata
from keeper.chain.rpc.blocks import block_of
from keeper.domain.errors import WrongChain
from keeper.domain.plan import Route, StepKind, VaultCall
from keeper.jsonrpc.answers import Header, next_base_fee

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


def test_the_vault_call_has_the_selector_and_the_numbers_of_the_plan() -> None:
    step = RawStep(StepKind.REPAY, 0, TOKENS["USDC"], "0x" + "00" * 20, 5, 0)
    flash = RawFlash(0, TOKENS["USDC"], 9)
    data = calldata(VaultCall.DELEVERAGE, 7, NOW, flash, [step])
    words = [int.from_bytes(data[4 + 32 * i : 36 + 32 * i], "big") for i in range(5)]
    assert [7, NOW, 0, int(TOKENS["USDC"], 16), 9] == words
    assert data[:4] != calldata(VaultCall.REBALANCE, 7, NOW, flash, [step])[:4]


def test_the_next_base_fee_follows_eip_1559() -> None:
    # A full block raises it by an eighth, an empty one lowers it by an eighth, half full keeps it.
    assert 112_500_000_000 == next_base_fee(100_000_000_000, 30_000_000, 30_000_000)
    assert 87_500_000_000 == next_base_fee(100_000_000_000, 0, 30_000_000)
    assert 100_000_000_000 == next_base_fee(100_000_000_000, 15_000_000, 30_000_000)
    assert 8 == next_base_fee(7, 15_000_001, 30_000_000)


def test_a_node_on_another_chain_is_refused_by_both_ids() -> None:
    head = Header(16, "0x" + "ab" * 32, NOW, base_fee_wei=7, gas_used=0, gas_limit=30_000_000)
    with pytest.raises(WrongChain, match=r"KEEPER_CHAIN_ID is 1, but the node is on chain 31337"):
        block_of(1, 31_337, head)
