"""The keeper serves the line of requests on the real contracts."""

from __future__ import annotations

import pytest

from keeper.devnet.depositor import HOUR, Depositor, line
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.redemption_price import settled_redemptions
from keeper.devnet.vault_reading import read_vault
from tests.chain.keeper_command import Ended, Run

DAY = 24 * HOUR
USDC = 10**6
SHARE = 10**12
SPREAD = 1 - 5e-4


def transaction(ended: Ended) -> str:
    (tx_hash,) = [word for word in ended.out.split() if word.startswith("0x")]
    return tx_hash


def test_a_deposit_is_closed_priced_by_rounds_after_it_and_settled(
    levered: Run, chain: LocalChain, stranger: Depositor
) -> None:
    price = chain.shares.functions.convertToAssets(SHARE).call()
    stranger.ask_to_deposit(10_000 * USDC)
    assert "close is due" in levered("vault", "serve").out
    assert line(chain)[0] == 0
    assert levered("vault", "serve", "--execute").code == 0
    assert line(chain)[0] == chain.now()
    waits = levered("vault", "serve", "--execute").out
    assert "settleDeposits waits: a feed has not published" in waits
    chain.pass_time(60)
    assert "settleDeposits" in levered("vault", "serve", "--execute").out
    assert line(chain) == (0, 0, 0, 0)
    assert stranger.claim_shares() * price / SHARE == pytest.approx(10_000 * USDC * SPREAD, rel=1e-4)
    assert "nobody waits" in levered("vault", "serve", "--execute").out


def test_a_redemption_waits_for_cash_and_is_paid_what_the_rounds_say(
    levered: Run, chain: LocalChain, depositor: Depositor
) -> None:
    shares = depositor.shares * 15 // 100
    depositor.ask_to_redeem(shares)
    assert levered("vault", "serve", "--execute").code == 0
    chain.set_price("WETH", chain.spot("WETH") * 0.98)
    chain.pass_time(HOUR)
    waits = levered("vault", "serve", "--execute").out
    assert "settleRedemptions waits: " in waits
    acted = levered("rebalance", "--execute", "--json").json()
    assert acted["outcome"] == "SENT", acted["reason"]
    assert read_vault(chain).cash_usd > 0.15 * read_vault(chain).nav_usd
    chain.pass_time(60)
    settled = settled_redemptions(chain, transaction(levered("vault", "serve", "--execute")))
    assert (settled.shares, settled.shares_left) == (shares, 0)
    assert settled.assets == settled.due
    assert depositor.claim_assets() == settled.due
    assert line(chain) == (0, 0, 0, 0)


def test_a_redemption_that_idle_cash_pays_is_settled_at_the_rounds_after_its_closing(
    levered: Run, chain: LocalChain, depositor: Depositor
) -> None:
    depositor.ask_to_redeem(500 * SHARE)
    assert levered("vault", "serve", "--execute").code == 0
    for symbol, change in (("WBTC", 1.01), ("WETH", 0.99), ("LINK", 1.02)):
        chain.set_price(symbol, chain.spot(symbol) * change)
    chain.pass_time(HOUR)
    chain.set_price("WETH", chain.spot("WETH") * 1.05)
    settled = settled_redemptions(chain, transaction(levered("vault", "serve", "--execute")))
    assert settled.assets == settled.due
    assert depositor.claim_assets() == settled.due


def test_nothing_is_sent_at_a_gas_price_above_the_threshold(
    levered: Run, chain: LocalChain, stranger: Depositor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.ask_to_deposit(10_000 * USDC)
    monkeypatch.setenv("KEEPER_LINE__MAX_COST_USD", "0")
    told = levered("vault", "serve", "--execute").out
    assert "close waits: its gas costs $" in told
    assert line(chain)[0] == 0


def test_without_a_fair_price_nothing_is_sent(levered: Run, chain: LocalChain, stranger: Depositor) -> None:
    stranger.ask_to_deposit(10_000 * USDC)
    assert levered("vault", "serve", "--execute").code == 0
    chain.pass_time(60)
    chain.w3.provider.make_request("evm_increaseTime", [2 * HOUR])  # type: ignore[arg-type]
    chain.mine()
    told = levered("vault", "serve", "--execute").out
    assert "settleDeposits waits: NoFairPrice" in told
    assert line(chain)[2] == 10_000 * USDC
