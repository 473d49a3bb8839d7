"""``keeper vault show``: what a person reads of a vault, and the same as JSON."""

from __future__ import annotations

import pytest

from keeper.devnet.depositor import HOUR, Depositor
from keeper.devnet.local_chain import LocalChain
from tests.chain.keeper_command import Run

USDC = 10**6
WIDTH = 80


@pytest.fixture
def in_use(keeper: Run, chain: LocalChain) -> Run:
    """A levered vault: one batch of redemptions is closed, deposits are collected."""
    assert keeper("rebalance", "--execute").code == 0
    chain.pass_time(2 * HOUR)
    depositor = Depositor(chain, chain.deployment.accounts["depositor"])
    depositor.ask_to_redeem(depositor.shares // 5)
    assert keeper("vault", "serve", "--execute").code == 0
    Depositor(chain, chain.deployment.accounts["stranger"]).ask_to_deposit(1_234 * USDC)
    return keeper


def test_it_fits_80_columns_and_speaks_in_units_and_symbols(
    in_use: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    shown = in_use("vault", "show").out
    assert max(map(len, shown.splitlines())) <= WIDTH
    told = chain.deployment
    for role in ("keeper", "guardian", "operations"):
        assert told.accounts[role] in shown
    for address in (told.vault, told.contracts["timelock"], *(pool.address for pool in told.pools)):
        assert address in shown
    for words in ("24 h", "loss in 24 hours", "1.50 %", "health after a rebalance", "1.350", "WETH, USDC"):
        assert words in shown
    assert "1,234.00 USDC" in shown
    assert "closed" in shown


def test_json_says_the_same_with_raw_amounts_as_texts(in_use: Run, chain: LocalChain) -> None:
    told = in_use("vault", "show", "--json").json()
    assert told["address"] == chain.deployment.vault
    assert [role["role"] for role in told["roles"]] == ["admin", "keeper", "guardian", "operations"]
    assert told["roles"][0] == {
        "role": "admin",
        "account": chain.deployment.contracts["timelock"],
        "delay_s": 86_400,
    }
    assert told["net_assets"] == str(chain.shares.functions.totalAssets().call())
    used = {limit["name"]: limit["used"] for limit in told["limits"]}
    assert 0 < used["loss in 24 hours"] < 0.015
    assert used["guardian's loss in 24 hours"] == 0
    assert {asset["symbol"] for asset in told["assets"]} == set(chain.tokens)
    (account,) = told["accounts"]
    owed = {position["symbol"]: int(position["owed"]) for position in account["positions"]}
    assert owed["USDC"] == chain.account.functions.owed(chain.tokens["USDC"].address).call()
    assert len(told["pools"]) == len(chain.deployment.pools)
    deposits, redemptions = told["requests"]
    assert (deposits["pending"], deposits["closed_at"]) == (str(1_234 * USDC), None)
    assert redemptions["closed_at"] is not None
    assert int(told["reserved"]) > 0


def test_any_node_and_any_vault_can_be_named(keeper: Run, chain: LocalChain) -> None:
    told = chain.deployment
    shown = keeper("vault", "show", told.vault, "--rpc-url", told.rpc_url, "--json")
    assert shown.json()["address"] == told.vault


@pytest.mark.parametrize("vault", ["0x12", "vault"])
def test_what_is_no_address_is_named(keeper: Run, vault: str) -> None:
    ended = keeper("vault", "show", vault)
    assert ended.code == 2
    assert f"VAULT = '{vault}' is not an Ethereum address" in ended.err


def test_an_address_that_is_no_vault_is_named(keeper: Run, chain: LocalChain) -> None:
    for address in (chain.tokens["WETH"].address, chain.deployment.accounts["stranger"]):
        ended = keeper("vault", "show", address)
        assert ended.code == 2
        assert f"{address} does not answer as the shares of a vault" in ended.err
        assert "Traceback" not in ended.err
