"""The vault as an ERC-4626: shares at oracle prices, rounding for the vault, depositors free to leave."""

from __future__ import annotations

import pytest

from keeper.devnet.local_chain import LocalChain
from tests.chain.vault_scene import Scene
from tests.chain.vault_setup import vault_scene

USDC = 10**6
SHARE = 10**12


@pytest.fixture(scope="module")
def pause_state(fork: LocalChain) -> Scene:
    return vault_scene(fork)


@pytest.fixture
def scene(pause_state: Scene, chain: LocalChain) -> Scene:
    """``pause_state``, put back as it was after the test."""
    assert chain.w3 is pause_state.w3
    return pause_state


def nav_in_usdc(scene: Scene) -> int:
    return int(scene.nav() / scene.price("USDC") / 100)


def test_the_first_deposit_gets_one_share_per_unit(scene: Scene) -> None:
    scene.deposit(1_000 * USDC)
    assert 1_000 * SHARE == scene.shares()
    assert 1_000 * USDC == scene.read.totalAssets().call()


def test_total_assets_are_collateral_and_cash_less_debt_at_oracle_prices(scene: Scene) -> None:
    scene.deposit(100_000 * USDC)
    scene.lever(1.8)
    assert nav_in_usdc(scene) == pytest.approx(scene.read.totalAssets().call(), abs=10)
    assert 100_000 * USDC > scene.read.totalAssets().call() > 99_000 * USDC


def test_a_depositor_gets_in_and_out_at_oracle_value(scene: Scene) -> None:
    scene.deposit(100_000 * USDC)
    scene.lever(1.8)
    scene.fund("USDC", scene.people.stranger, 10_000 * USDC)
    scene.deposit(10_000 * USDC, scene.people.stranger)
    shares = scene.shares(scene.people.stranger)
    at_once = scene.read.previewRedeem(shares).call()
    assert 10_000 * USDC - 2 <= at_once <= 10_000 * USDC
    scene.send(scene.read.redeem(shares, scene.people.stranger, scene.people.stranger), scene.people.stranger)
    returned = scene.balance("USDC", scene.people.stranger)
    assert 10_000 * USDC == pytest.approx(returned, rel=1e-6)


def test_a_newcomer_takes_nothing_from_those_inside(scene: Scene) -> None:
    scene.deposit(100_000 * USDC)
    scene.lever(1.8)
    brought = 7_777 * USDC - 1
    scene.fund("USDC", scene.people.stranger, brought)
    scene.deposit(brought, scene.people.stranger)
    worth = scene.read.convertToAssets(scene.shares(scene.people.stranger)).call()
    assert brought - 2 <= worth <= brought
    assert scene.read.totalAssets().call() - brought <= scene.read.convertToAssets(scene.shares()).call()


@pytest.mark.parametrize("amount", [1, 3, 999_999, 123_456_789])
def test_rounding_favours_the_vault_both_ways(scene: Scene, amount: int) -> None:
    scene.deposit(100_000 * USDC)
    scene.lever(1.8)
    call = scene.read
    bought = call.previewDeposit(amount).call()
    assert call.previewMint(bought).call() <= amount
    assert call.previewRedeem(bought).call() <= amount
    assert call.previewWithdraw(amount).call() >= bought


def test_mint_and_withdraw_move_exactly_what_their_previews_say(scene: Scene) -> None:
    scene.deposit(50_000 * USDC)
    depositor = scene.people.depositor
    scene.fund("USDC", depositor, 1_000 * USDC)
    before = scene.balance("USDC", depositor)
    price = scene.read.previewMint(777 * SHARE + 1).call()
    scene.send(scene.read.mint(777 * SHARE + 1, depositor), depositor)
    assert before - price == scene.balance("USDC", depositor)
    shares = scene.shares()
    cost = scene.read.previewWithdraw(12_345).call()
    scene.send(scene.read.withdraw(12_345, depositor, depositor), depositor)
    assert shares - cost == scene.shares()


def test_inflating_the_first_share_costs_the_attacker(scene: Scene) -> None:
    attacker, victim = scene.people.stranger, scene.people.depositor
    scene.fund("USDC", attacker, 20_000 * USDC + 1)
    scene.deposit(1, attacker)
    scene.send(scene.erc20("USDC").functions.transfer(scene.vault.address, 20_000 * USDC), attacker)
    scene.deposit(10_000 * USDC)
    scene.send(scene.read.redeem(scene.shares(attacker), attacker, attacker), attacker)
    victims = scene.read.convertToAssets(scene.shares(victim)).call()
    assert scene.balance("USDC", attacker) < 11_000 * USDC
    assert victims > 10_000 * USDC * 0.99


def test_withdrawals_are_served_from_idle_cash(scene: Scene) -> None:
    scene.deposit(100_000 * USDC)
    scene.lever(1.5)
    scene.deposit(5_000 * USDC)
    depositor, idle = scene.people.depositor, scene.balance("USDC")
    assert idle == scene.read.maxWithdraw(depositor).call()
    refused = scene.refusal(scene.read.withdraw(idle + 1, depositor, depositor), depositor)
    assert refused.startswith("ERC4626ExceededMaxWithdraw")
    scene.send(scene.read.redeem(scene.read.maxRedeem(depositor).call(), depositor, depositor), depositor)
    # Debt grows between the block of the question and the block of the answer.
    assert scene.balance("USDC") < USDC


def test_a_pool_pushed_aside_does_not_move_the_share_price(scene: Scene) -> None:
    scene.deposit(100_000 * USDC)
    scene.lever(1.8)
    before = scene.read.totalAssets().call()
    scene.push_pool("USDC", 20_000_000 * USDC, "UNI")
    assert before == pytest.approx(scene.read.totalAssets().call(), rel=1e-6)


def test_while_paused_depositors_leave_and_nobody_enters(scene: Scene) -> None:
    scene.deposit(10_000 * USDC)
    depositor = scene.people.depositor
    scene.send(scene.read.pause(), scene.people.guardian)
    assert 0 == scene.read.maxDeposit(depositor).call() == scene.read.maxMint(depositor).call()
    assert scene.refusal(scene.read.deposit(1, depositor), depositor) == "EnforcedPause()"
    assert scene.refusal(scene.read.mint(1, depositor), depositor) == "EnforcedPause()"
    scene.send(scene.read.redeem(scene.shares(), depositor, depositor), depositor)
    assert 0 == scene.shares()


@pytest.mark.parametrize("symbol", ["WETH", "USDC"])
def test_without_a_fresh_price_of_what_is_held_nobody_enters_or_leaves(scene: Scene, symbol: str) -> None:
    scene.deposit(100_000 * USDC)
    scene.lever(1.5)
    scene.deposit(1_000 * USDC)
    feed = scene.loose_feed(symbol)
    answer = round(scene.price(symbol) * 1e8)
    depositor = scene.people.depositor
    scene.set_asset(symbol, max_age=3_600)
    scene.set_feed(feed, answer, scene.now() - 4_000)
    assert scene.refusal(scene.read.deposit(USDC, depositor), depositor).startswith("StalePrice")
    assert scene.refusal(scene.read.withdraw(USDC, depositor, depositor), depositor).startswith("StalePrice")
    assert 0 == scene.read.maxDeposit(depositor).call() == scene.read.maxWithdraw(depositor).call()
    assert 0 == scene.read.maxMint(depositor).call() == scene.read.maxRedeem(depositor).call()


def test_with_cash_alone_no_price_is_needed(scene: Scene) -> None:
    scene.deposit(10_000 * USDC)
    feed = scene.loose_feed("USDC")
    scene.set_feed(feed, 0, 0)
    depositor = scene.people.depositor
    scene.send(scene.read.withdraw(10_000 * USDC, depositor, depositor), depositor)
    assert 0 == scene.shares()


def test_a_donated_speck_with_a_stale_price_locks_nobody_in(scene: Scene) -> None:
    scene.deposit(10_000 * USDC)
    feed = scene.loose_feed("UNI")
    scene.set_feed(feed, round(scene.price("UNI") * 1e8), 1)
    scene.fund("UNI", scene.vault.address, 10**15)
    depositor = scene.people.depositor
    scene.send(scene.read.withdraw(5_000 * USDC, depositor, depositor), depositor)
    assert 5_000 * USDC == scene.balance("USDC")


def test_after_a_sequencer_outage_shares_wait_for_fresh_prices(scene: Scene) -> None:
    scene.deposit(100_000 * USDC)
    scene.lever(1.5)
    scene.deposit(1_000 * USDC)
    sequencer = scene.deploy("SequencerFeed", scene.now() - 100)
    scene.send(scene.read.setSequencerFeed(sequencer.address, 3_600), scene.people.admin)
    depositor = scene.people.depositor
    assert scene.refusal(scene.read.deposit(USDC, depositor), depositor).startswith("SequencerGracePeriod")
    refused = scene.refusal(scene.read.redeem(SHARE, depositor, depositor), depositor)
    assert refused.startswith("SequencerGracePeriod")


def test_once_all_value_is_lost_nobody_can_buy_the_ruins(scene: Scene) -> None:
    scene.deposit(100_000 * USDC)
    scene.lever(1.8, ("WETH", "WBTC"))
    scene.set_feed(scene.loose_feed("WBTC"), 1, scene.now())
    feed = scene.loose_feed("WETH")
    scene.set_feed(feed, 1, scene.now())
    assert 0 == scene.read.totalAssets().call() == scene.nav()
    refused = scene.refusal(scene.read.deposit(USDC, scene.people.depositor), scene.people.depositor)
    assert refused.startswith("ERC4626ExceededMaxDeposit")
