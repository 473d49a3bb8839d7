"""Deleverage and ripcord: they run when a rebalance may not, and can only lower risk."""

from __future__ import annotations

import pytest
from web3.logs import DISCARD

from keeper.devnet.local_chain import LocalChain
from keeper.domain.units import BPS, WAD
from tests.chain.vault_scene import Scene
from tests.chain.vault_setup import vault_scene

USDC = 10**6
HOUR, DAY = 3_600, 86_400


@pytest.fixture(scope="module")
def pause_state(fork: LocalChain) -> Scene:
    """100,000 USDC at leverage 1.8, half in ether and half in bitcoin."""
    scene = vault_scene(fork)
    scene.deposit(100_000 * USDC)
    scene.lever(1.8, ("WETH", "WBTC"))
    return scene


@pytest.fixture
def scene(pause_state: Scene, chain: LocalChain) -> Scene:
    """``pause_state``, put back as it was after the test."""
    assert chain.w3 is pause_state.w3
    return pause_state


def test_a_stale_feed_blocks_levering_but_not_repayment(scene: Scene) -> None:
    feed = scene.loose_feed("WETH")
    scene.set_feed(feed, round(scene.price("WETH") * 1e8), scene.now() - 10 * DAY)
    scene.wide_limits()
    more = [scene.borrow(1_000 * USDC)]
    assert scene.refusal(scene.rebalance(more), scene.people.keeper).startswith("StalePrice")
    steps, flash = scene.lowering(20_000 * USDC)
    debt = scene.debt()
    scene.send(scene.deleverage(steps, flash), scene.people.keeper)
    assert debt - 20_000 * USDC == pytest.approx(scene.debt(), rel=1e-6)


def test_it_runs_while_paused_with_the_sequencer_down_and_inside_the_interval(scene: Scene) -> None:
    sequencer = scene.deploy("SequencerFeed", scene.now())
    scene.send(sequencer.functions.setStatus(True, scene.now()), scene.people.stranger)
    scene.send(scene.read.setSequencerFeed(sequencer.address, HOUR), scene.people.admin)
    scene.set_policy(min_interval=DAY)
    scene.send(scene.read.pause(), scene.people.guardian)
    steps, flash = scene.lowering(10_000 * USDC)
    epoch, factor = scene.read.epoch().call(), scene.health_factor()
    scene.send(scene.deleverage(steps, flash), scene.people.guardian)
    assert epoch + 1 == scene.read.epoch().call()
    assert factor < scene.health_factor()


@pytest.mark.parametrize("answer", [0, -5])
def test_a_held_asset_without_a_positive_price_is_not_sold(scene: Scene, answer: int) -> None:
    steps, flash = scene.lowering(10_000 * USDC, "WBTC")
    feed = scene.loose_feed("WBTC")
    scene.set_feed(feed, answer, scene.now())
    refused = scene.refusal(scene.deleverage(steps, flash), scene.people.keeper)
    assert refused == f"InvalidPrice({scene.tokens['WBTC'].address.lower()}, {answer})"


@pytest.mark.parametrize("symbol", ["WBTC", "USDC"])
def test_an_asset_without_a_price_does_not_block_the_sale_of_another(scene: Scene, symbol: str) -> None:
    steps, flash = scene.lowering(10_000 * USDC)
    nav, factor = scene.nav(), scene.health_factor()
    scene.wide_limits()
    scene.set_feed(scene.loose_feed(symbol), 0, scene.now())
    assert scene.nav() == pytest.approx(nav, rel=1e-3)  # it counts at the lending market's price
    assert scene.refusal(scene.rebalance(steps, flash), scene.people.keeper).startswith("InvalidPrice")
    scene.send(scene.deleverage(steps, flash), scene.people.keeper)
    assert factor < scene.health_factor()


def test_an_asset_without_a_price_leaves_the_limit_on_losses_as_it_is(scene: Scene) -> None:
    scene.set_feed(scene.loose_feed("WBTC"), 0, scene.now())
    steps, flash = scene.lowering(50_000 * USDC)
    scene.set_policy(max_emergency_loss_bps=1)
    assert scene.refusal(scene.deleverage(steps, flash), scene.people.keeper).startswith("LossAboveLimit")


def test_neither_a_keeper_nor_a_guardian_cannot_deleverage(scene: Scene) -> None:
    steps, flash = scene.lowering(10_000 * USDC)
    for caller in (scene.people.stranger, scene.people.admin, scene.people.depositor):
        assert scene.refusal(scene.deleverage(steps, flash), caller).startswith("CallerNotKeeperOrGuardian")


def test_steps_that_raise_risk_are_refused_by_their_index(scene: Scene) -> None:
    some = 10**15
    risky = (
        scene.borrow(USDC),
        scene.supply("WETH", some),
        scene.sell(USDC, "USDC", 500, "WETH"),
        scene.sell(some, "WETH", 500, "WBTC"),
        scene.buy(some, "WETH", 500, "USDC"),
    )
    for step in risky:
        refused = scene.refusal(scene.deleverage([scene.withdraw("WETH", some), step]), scene.people.keeper)
        assert refused == "StepRaisesRisk(1)"


def test_it_must_lower_the_debt(scene: Scene) -> None:
    steps = [scene.withdraw("WETH", 10**15)]
    assert scene.refusal(scene.deleverage(steps), scene.people.keeper).startswith("DebtNotLowered")


def test_it_must_raise_the_health_factor(scene: Scene) -> None:
    steps = [
        scene.withdraw("WETH", 8 * 10**18),
        scene.sell(10**16, "WETH", 500, "USDC"),
        scene.repay(1 * USDC),
    ]
    refused = scene.refusal(scene.deleverage(steps), scene.people.keeper)
    assert refused.startswith("HealthFactorNotRaised")


def test_the_loss_of_one_call_is_limited_to_the_bps(scene: Scene) -> None:
    steps, flash = scene.lowering(50_000 * USDC)
    snapshot = scene.snapshot()
    receipt = scene.send(scene.deleverage(steps, flash), scene.people.keeper)
    scene.restore(snapshot)
    event = scene.vault.events.Deleveraged().process_receipt(receipt, errors=DISCARD)[0]["args"]
    before, after = event["navBeforeUsd"], event["navAfterUsd"]
    loss_bps = -(-(before - after) * BPS // before)
    assert loss_bps > 1
    scene.set_policy(max_emergency_loss_bps=loss_bps - 1)
    assert scene.refusal(scene.deleverage(steps, flash), scene.people.keeper).startswith("LossAboveLimit")
    scene.set_policy(max_emergency_loss_bps=loss_bps)
    scene.send(scene.deleverage(steps, flash), scene.people.keeper)


def test_the_losses_of_a_day_are_limited_and_drain(scene: Scene) -> None:
    keeper = scene.people.keeper
    scene.set_policy(max_emergency_loss_bps=5, max_daily_emergency_loss_bps=5)
    steps, flash = scene.lowering(30_000 * USDC)
    scene.send(scene.deleverage(steps, flash), keeper)
    steps, flash = scene.lowering(35_000 * USDC)
    assert scene.refusal(scene.deleverage(steps, flash), keeper).startswith("DailyLossAboveLimit")
    scene.wait(DAY)
    assert 0 == scene.read.budgets().call()[1]
    scene.send(scene.deleverage(steps, flash), keeper)


def test_all_debt_can_be_repaid_at_once(scene: Scene) -> None:
    steps, _ = scene.lowering(scene.debt() + 1_000 * USDC)
    steps[0] = scene.repay()
    scene.send(scene.deleverage(steps, scene.debt() + 500 * USDC), scene.people.guardian)
    assert 0 == scene.debt()
    assert 2**256 - 1 == scene.health_factor()


def test_a_disabled_asset_can_be_left(scene: Scene) -> None:
    scene.set_asset("WETH", enabled=False)
    scene.wide_limits()
    buy = [scene.withdraw("WBTC", 10**6), scene.sell(10**6, "WBTC", 500, "WETH")]
    assert scene.refusal(scene.rebalance(buy), scene.people.keeper).startswith("TokenDisabled")
    steps, flash = scene.lowering(10_000 * USDC)
    scene.send(scene.rebalance(steps, flash), scene.people.keeper)
    supply = [scene.withdraw("WETH", 10**15), scene.supply("WETH")]
    assert scene.refusal(scene.rebalance(supply), scene.people.keeper).startswith("TokenDisabled")


# -------------------------------------------------------------------- ripcord


def test_a_stranger_may_pull_the_ripcord_only_below_its_threshold(scene: Scene) -> None:
    steps, flash = scene.lowering(5_000 * USDC)
    factor = scene.health_factor()
    scene.set_policy(
        min_health_factor=factor * 2,
        ripcord_health_factor=factor * 999 // 1_000,
        ripcord_target_health_factor=factor * 2,
    )
    assert scene.refusal(scene.ripcord(steps, flash), scene.people.stranger).startswith("RipcordNotArmed")
    scene.set_policy(ripcord_health_factor=factor + 1)
    scene.send(scene.ripcord(steps, flash), scene.people.stranger)
    assert factor < scene.health_factor()


def test_a_ripcord_may_not_go_beyond_its_target(scene: Scene) -> None:
    factor = scene.arm_ripcord()
    steps, flash = scene.lowering(30_000 * USDC)
    snapshot = scene.snapshot()
    scene.send(scene.ripcord(steps, flash), scene.people.stranger)
    reached = scene.health_factor()
    scene.restore(snapshot)
    scene.set_policy(ripcord_health_factor=factor + 1, ripcord_target_health_factor=reached - 10**12)
    refused = scene.refusal(scene.ripcord(steps, flash), scene.people.stranger)
    assert refused.startswith("RipcordBeyondTarget")
    scene.set_policy(ripcord_target_health_factor=reached + 10**12)
    scene.send(scene.ripcord(steps, flash), scene.people.stranger)


def test_ripcords_keep_their_interval(scene: Scene) -> None:
    scene.arm_ripcord()
    scene.set_policy(ripcord_interval=900)
    steps, flash = scene.lowering(5_000 * USDC)
    scene.send(scene.ripcord(steps, flash), scene.people.stranger)
    pulled = scene.read.lastRipcord().call()
    again = scene.ripcord(steps, flash)
    assert scene.refusal_at(pulled + 899, again, scene.people.stranger).startswith("TooSoon")
    assert scene.passes_at(pulled + 900, again, scene.people.stranger)


def test_a_ripcord_may_not_raise_risk(scene: Scene) -> None:
    scene.arm_ripcord()
    refused = scene.refusal(scene.ripcord([scene.borrow(USDC)]), scene.people.stranger)
    assert refused == "StepRaisesRisk(0)"


def test_strangers_cannot_use_up_the_emergency_budget(scene: Scene) -> None:
    scene.arm_ripcord()
    scene.set_policy(ripcord_interval=0, max_emergency_loss_bps=6, max_daily_emergency_loss_bps=6)
    steps, flash = scene.lowering(30_000 * USDC)
    scene.send(scene.ripcord(steps, flash), scene.people.stranger)
    refused = scene.refusal(scene.ripcord(steps, flash), scene.people.stranger)
    assert refused.startswith("DailyLossAboveLimit")
    assert refused.endswith(f"{3 * WAD // BPS})")
    scene.send(scene.deleverage(steps, flash), scene.people.guardian)
