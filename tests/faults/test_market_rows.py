"""Faults of docs/faults.md in the lending market, on a real chain through the real command. Each test is named after its row."""

from __future__ import annotations

import pytest

from keeper.devnet.anvil import rpc
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at
from keeper.devnet.vault_reading import VaultReading, read_vault
from keeper.domain.units import UINT256_MAX
from keeper.tx.node import RpcNode
from tests.chain.keeper_command import Run
from tests.faults.lending_market import (
    EXECUTE,
    HOUR,
    RISKY,
    TERMS,
    Market,
    settled,
    steps,
)

DELEVERAGE = ("deleverage", "--execute", "--json")
FINAL = 70
"""Blocks, and more than Anvil takes to call one final."""


@pytest.fixture
def calmer(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on half of the risk is wanted."""
    monkeypatch.setenv("KEEPER_SIZE__TARGET_VOLATILITY", "0.4")


# --------------------------------------------------------------------- row 56


@pytest.mark.parametrize("frozen", [("LINK",), ("USDC",), (*RISKY, "USDC")])
@pytest.mark.parametrize("command", [EXECUTE, DELEVERAGE])
def test_row_56_a_frozen_reserve_can_be_left_and_repaid(
    keeper: Run,
    chain: LocalChain,
    levered: VaultReading,
    market: Market,
    calmer: None,
    command: tuple[str, ...],
    frozen: tuple[str, ...],
) -> None:
    """Aave sets the loan to value of what it freezes to 0, so nothing else could leave before it."""
    for symbol in frozen:
        market.freeze(symbol)
    settled(keeper(*command))
    after = read_vault(chain)
    assert after.debt_usd < 0.001 * levered.debt_usd
    assert after.leverage < 1.0 < levered.leverage


@pytest.mark.parametrize(("frozen", "bound"), [("LINK", "supply_cap:LINK"), ("USDC", "borrow_cap")])
def test_row_56_a_frozen_reserve_is_not_added_to(
    keeper: Run,
    chain: LocalChain,
    levered: VaultReading,
    market: Market,
    monkeypatch: pytest.MonkeyPatch,
    frozen: str,
    bound: str,
) -> None:
    market.freeze(frozen)
    monkeypatch.setenv("KEEPER_SIZE__TARGET_VOLATILITY", "1.2")
    ended = keeper(*EXECUTE)
    assert ended.json()["outcome"] == "HELD", ended.out
    assert ended.json()["binding"] == bound
    assert ended.json()["target_leverage"] <= levered.leverage * 1.001
    assert read_vault(chain).epoch == levered.epoch


def test_row_56_nothing_can_be_done_with_a_paused_reserve_and_that_is_said(
    keeper: Run, chain: LocalChain, levered: VaultReading, market: Market, calmer: None
) -> None:
    for symbol in (*RISKY, "USDC"):
        market.pause(symbol)
    for command in (EXECUTE, DELEVERAGE):
        ended = keeper(*command)
        assert ended.code == 5
        assert "its reserve is paused" in ended.json()["reason"]
        assert read_vault(chain).epoch == levered.epoch
    for symbol in (*RISKY, "USDC"):
        market.pause(symbol, paused=False)
    chain.pass_time(2 * HOUR)  # Aave gives borrowers a while before they can be liquidated again
    settled(keeper(*EXECUTE))


# --------------------------------------------------------------------- row 57


@pytest.mark.parametrize("command", [EXECUTE, DELEVERAGE, (*DELEVERAGE, "--to-health-factor", "9")])
def test_row_57_collateral_with_loan_to_value_0_is_withdrawn_first_and_wholly(
    keeper: Run,
    chain: LocalChain,
    levered: VaultReading,
    market: Market,
    calmer: None,
    command: tuple[str, ...],
) -> None:
    market.collateral("LINK", 0, TERMS["LINK"].liquidation_threshold)
    ended = settled(keeper(*command))
    withdrawn = [step for step in ended.json()["plan"]["steps"] if step["kind"] == "WITHDRAW"]
    assert withdrawn[0]["symbol"] == "LINK"
    assert int(withdrawn[0]["amount"]) == UINT256_MAX
    assert len(withdrawn) == 4
    after = read_vault(chain)
    assert after.health_factor > levered.health_factor
    if "--to-health-factor" in command:
        assert 9 <= after.health_factor < 11  # idle cash repays too, and slippage was allowed for


def test_row_57_nothing_is_levered_on_it(
    keeper: Run, chain: LocalChain, levered: VaultReading, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.collateral("LINK", 0, TERMS["LINK"].liquidation_threshold)
    monkeypatch.setenv("KEEPER_SIZE__TARGET_VOLATILITY", "1.2")
    ended = keeper(*EXECUTE)
    assert ended.json()["outcome"] == "HELD", ended.out
    assert ended.json()["binding"] == "supply_cap:LINK"
    assert read_vault(chain).epoch == levered.epoch


# --------------------------------------------------------------------- row 58


def test_row_58_what_cannot_be_withdrawn_does_not_keep_other_assets_from_repaying(
    keeper: Run, chain: LocalChain, levered: VaultReading, market: Market
) -> None:
    market.borrow_everything("WETH")
    ended = settled(keeper(*DELEVERAGE))
    assert ("WITHDRAW", "WETH") not in steps(ended)
    after = read_vault(chain)
    assert 0 < after.debt_usd < 0.6 * levered.debt_usd
    assert after.weights["WETH"] == pytest.approx(levered.weights["WETH"], rel=0.02)


def test_row_58_where_nothing_can_be_withdrawn_idle_cash_repays_and_without_any_it_says_why(
    keeper: Run, chain: LocalChain, levered: VaultReading, market: Market
) -> None:
    for symbol in RISKY:
        market.borrow_everything(symbol)
    assert levered.cash_usd > 1_000
    ended = settled(keeper(*DELEVERAGE))
    assert steps(ended) == [("REPAY", "USDC")]
    after = read_vault(chain)
    assert after.debt_usd == pytest.approx(levered.debt_usd - levered.cash_usd, rel=1e-3)
    assert after.health_factor > levered.health_factor
    again = keeper(*DELEVERAGE)
    assert again.code == 5
    assert "not lent out" in again.json()["reason"]
    assert read_vault(chain).epoch == after.epoch


# --------------------------------------------------------------------- row 59


@pytest.mark.parametrize("cap", ["setSupplyCap", "setBorrowCap"])
def test_row_59_a_cap_that_is_hit_on_the_way_reverts_the_whole_plan(
    keeper: Run, chain: LocalChain, market: Market, monkeypatch: pytest.MonkeyPatch, cap: str
) -> None:
    """Between the simulation and the block somebody takes the room that the last steps need."""
    before, send_raw = read_vault(chain), RpcNode.send_raw
    symbol = "UNI" if cap == "setSupplyCap" else "USDC"

    def too_late(node: RpcNode, raw: str) -> None:
        market.set(cap, market.address(symbol), 1)
        send_raw(node, raw)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(RpcNode, "send_raw", too_late)
        ended = keeper(*EXECUTE)
    assert ended.code == 5, ended.out
    assert ended.json()["error"]["name"] == "Reverted"
    after = read_vault(chain)
    assert (after.epoch, after.weights, after.debt_usd) == (before.epoch, before.weights, before.debt_usd)
    assert after.cash_usd == before.cash_usd
    market.set(cap, market.address(symbol), 10**9)
    rpc(chain.deployment.rpc_url, "anvil_mine", hex(FINAL))
    settled(keeper(*EXECUTE))


# --------------------------------------------------------------------- row 60


def test_row_60_a_loan_ten_times_as_dear_is_repaid(
    keeper: Run, chain: LocalChain, levered: VaultReading, market: Market
) -> None:
    dear = TERMS["USDC"]
    rates = (dear.optimal, dear.base, 10 * dear.slope1, 10 * dear.slope2)
    encoded = chain.w3.codec.encode(["(uint16,uint32,uint32,uint32)"], [rates])
    market.set("setReserveInterestRateData", market.address("USDC"), encoded)
    ended = settled(keeper(*EXECUTE))
    assert ended.json()["binding"] == "carry"
    assert read_vault(chain).debt_usd < 0.01 * levered.debt_usd


# --------------------------------------------------------------------- row 61


def cut_thresholds(market: Market, factor: float) -> None:
    for symbol in RISKY:
        terms = TERMS[symbol]
        market.collateral(symbol, int(terms.ltv * factor), int(terms.liquidation_threshold * factor))


@pytest.mark.parametrize(("factor", "action"), [(0.95, "HOLD"), (0.75, "REBALANCE"), (0.4, "RIPCORD")])
def test_row_61_a_cut_of_the_liquidation_thresholds_never_levers(
    keeper: Run, chain: LocalChain, levered: VaultReading, market: Market, factor: float, action: str
) -> None:
    cut_thresholds(market, factor)
    cut = read_vault(chain).health_factor
    ended = keeper(*EXECUTE)
    assert ended.json()["action"] == action, ended.out
    after = read_vault(chain)
    if action == "HOLD":
        assert after.epoch == levered.epoch
        return
    assert ended.json()["target_leverage"] < levered.leverage
    settled(ended)
    assert after.leverage < levered.leverage
    # An emergency's call may not end above the vault's own target, 1.35.
    assert after.health_factor > max(cut, 1.3)


def test_row_61_after_a_liquidation_by_somebody_it_reconciles_and_does_not_lever(
    keeper: Run, chain: LocalChain, levered: VaultReading, market: Market
) -> None:
    cut_thresholds(market, 0.87 / levered.health_factor)
    liquidator, pool = chain.accounts[-3], chain.pool
    repaid = int(levered.debt_usd * 0.4) * 10**6
    chain.fund("USDC", liquidator, repaid)
    usdc = contract_at(chain.w3, "ERC20", market.address("USDC"))
    market.do(usdc.functions.approve(pool.address, UINT256_MAX), liquidator)
    call = pool.functions.liquidationCall(
        market.address("WETH"), market.address("USDC"), chain.account.address, repaid, False
    )
    market.do(call, liquidator)
    taken = read_vault(chain)
    assert taken.debt_usd < 0.7 * levered.debt_usd
    assert taken.weights["WETH"] < 0.7 * levered.weights["WETH"]
    assert taken.nav_usd < levered.nav_usd
    ended = keeper(*EXECUTE)
    told = ended.json()
    assert told["nav_usd"] == pytest.approx(taken.nav_usd, rel=1e-6)
    assert told["leverage"] == pytest.approx(taken.leverage, rel=1e-6)
    after = read_vault(chain)
    assert after.leverage <= taken.leverage * 1.001
    assert after.debt_usd <= taken.debt_usd * 1.001
    chain.pass_time(2 * HOUR)
    assert keeper("rebalance", "--simulate", "--json").json()["action"] != "RIPCORD"
    assert keeper("journal", "verify").code == 0
