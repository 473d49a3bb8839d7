"""Every limit of a rebalance: just met it passes, just missed it reverts with its own error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from web3.logs import DISCARD
from web3.types import RPCEndpoint

from keeper.devnet.local_chain import LocalChain
from keeper.domain.units import BPS, WAD
from tests.chain.vault_scene import Scene
from tests.chain.vault_setup import vault_scene

USDC = 10**6
HOUR, DAY = 3_600, 86_400


@pytest.fixture(scope="module")
def pause_state(fork: LocalChain) -> Scene:
    scene = vault_scene(fork)
    scene.deposit(100_000 * USDC)
    return scene


@pytest.fixture
def scene(pause_state: Scene, chain: LocalChain) -> Scene:
    """``pause_state``, put back as it was after the test."""
    assert chain.w3 is pause_state.w3
    return pause_state


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the same rebalance did when the limits were wide."""

    leverage: int
    health_factor: int
    loss_bps: int
    loss: int
    turnover: int
    weth_bps: int


def rehearse(scene: Scene, steps: list[tuple[int, str, int, int, bytes]], flash: int) -> Outcome:
    """Runs it within wide limits, reads what it did, and undoes it."""
    snapshot = scene.snapshot()
    scene.wide_limits()
    receipt = scene.send(scene.rebalance(steps, flash), scene.people.keeper)
    event = scene.vault.events.Rebalanced().process_receipt(receipt, errors=DISCARD)[0]["args"]
    before, after = event["navBeforeUsd"], event["navAfterUsd"]
    used = scene.read.budgets().call()
    weth = int(scene.worth("WETH") * 1e8)
    outcome = Outcome(
        leverage=event["leverage"],
        health_factor=event["healthFactor"],
        loss_bps=-(-(before - after) * BPS // before),
        loss=used[0],
        turnover=used[2],
        weth_bps=-(-weth * BPS // after),
    )
    scene.restore(snapshot)
    return outcome


Change = Callable[[Scene, Outcome, int], None]


def tighten_health_factor(scene: Scene, done: Outcome, short: int) -> None:
    # Debt and collateral earn interest from block to block: the last digits are not the rehearsal's.
    scene.set_policy(min_health_factor=done.health_factor - 10**12 + short * 2 * 10**12)


def tighten_leverage(scene: Scene, done: Outcome, short: int) -> None:
    scene.set_policy(max_leverage=done.leverage + 10**12 - short * 2 * 10**12)


def tighten_loss(scene: Scene, done: Outcome, short: int) -> None:
    scene.set_policy(max_loss_bps=done.loss_bps - short)


def tighten_daily_loss(scene: Scene, done: Outcome, short: int) -> None:
    limit = -(-done.loss * BPS // WAD) - short
    scene.set_policy(max_loss_bps=min(limit, 1), max_daily_loss_bps=limit)


def tighten_turnover(scene: Scene, done: Outcome, short: int) -> None:
    scene.set_policy(max_daily_turnover_bps=-(-done.turnover * BPS // WAD) - short)


def tighten_weight(scene: Scene, done: Outcome, short: int) -> None:
    scene.set_asset("WETH", max_weight_bps=done.weth_bps - short)


@pytest.mark.parametrize(
    ("tighten", "error"),
    [
        (tighten_health_factor, "HealthFactorBelowFloor"),
        (tighten_leverage, "LeverageAboveCap"),
        (tighten_loss, "LossAboveLimit"),
        (tighten_turnover, "DailyTurnoverAboveLimit"),
        (tighten_weight, "WeightAboveCap"),
    ],
)
def test_a_limit_just_met_passes_and_just_missed_reverts(scene: Scene, tighten: Change, error: str) -> None:
    steps, flash = scene.levering(1.8)
    done = rehearse(scene, steps, flash)
    scene.wide_limits()
    tighten(scene, done, 1)
    assert scene.refusal(scene.rebalance(steps, flash), scene.people.keeper).startswith(error + "(")
    tighten(scene, done, 0)
    scene.send(scene.rebalance(steps, flash), scene.people.keeper)


def wash(scene: Scene) -> list[tuple[int, str, int, int, bytes]]:
    """A trade that only costs: cash into ether and back."""
    return [scene.sell(20_000 * USDC, "USDC", 3_000, "WETH"), scene.sell(2**256 - 1, "WETH", 3_000, "USDC")]


def test_a_days_losses_add_up_to_their_limit_and_drain_over_a_day(scene: Scene) -> None:
    scene.wide_limits()
    scene.set_policy(max_loss_bps=20, max_daily_loss_bps=30)
    keeper = scene.people.keeper
    scene.send(scene.rebalance(wash(scene)), keeper)
    scene.send(scene.rebalance(wash(scene)), keeper)
    assert scene.refusal(scene.rebalance(wash(scene)), keeper).startswith("DailyLossAboveLimit")
    used = scene.read.budgets().call()[0]
    assert 22 * WAD // BPS < used < 26 * WAD // BPS
    scene.wait(DAY // 2)
    scene.refresh_feeds()
    assert used - 15 * WAD // BPS == pytest.approx(scene.read.budgets().call()[0], rel=1e-2)
    scene.send(scene.rebalance(wash(scene)), keeper)


def test_turnover_drains_over_a_day(scene: Scene) -> None:
    scene.wide_limits()
    scene.set_policy(max_daily_turnover_bps=5_000)
    keeper = scene.people.keeper
    scene.send(scene.rebalance(wash(scene)), keeper)
    assert scene.refusal(scene.rebalance(wash(scene)), keeper).startswith("DailyTurnoverAboveLimit")
    scene.wait(DAY)
    scene.refresh_feeds()
    scene.send(scene.rebalance(wash(scene)), keeper)


def test_the_minimum_interval_ends_on_its_second(scene: Scene) -> None:
    keeper = scene.people.keeper
    scene.set_policy(min_interval=600)
    scene.lever(1.3)
    last = scene.read.lastRebalance().call()
    steps = [scene.withdraw("WETH", 10**15)]
    call = scene.rebalance(steps)
    assert scene.refusal_at(last + 599, call, keeper).startswith("TooSoon")
    scene.mine_at(last + 600)
    scene.send(call, keeper)


def test_the_deadline_still_counts(scene: Scene) -> None:
    keeper = scene.people.keeper
    steps, flash = scene.levering(1.3)
    late = scene.now() - 1
    assert scene.refusal(scene.rebalance(steps, flash, deadline=late), keeper).startswith("DeadlinePassed")
    scene.send(scene.rebalance(steps, flash, deadline=scene.now() + 60), keeper)


def test_the_same_epoch_twice_reverts(scene: Scene) -> None:
    scene.set_policy(min_interval=0)
    steps, flash = scene.levering(1.3)
    epoch = scene.read.epoch().call()
    scene.send(scene.rebalance(steps, flash, epoch=epoch), scene.people.keeper)
    assert epoch + 1 == scene.read.epoch().call()
    again = [scene.withdraw("WETH", 10**15)]
    assert scene.refusal(scene.rebalance(again, epoch=epoch), scene.people.keeper) == (
        f"WrongEpoch({epoch}, {epoch + 1})"
    )
    assert scene.refusal(scene.deleverage(again, epoch=epoch), scene.people.guardian).startswith("WrongEpoch")
    assert scene.refusal(scene.rebalance(again, epoch=epoch + 2), scene.people.keeper).startswith(
        "WrongEpoch"
    )


@pytest.mark.parametrize("symbol", ["WETH", "USDC"])
def test_a_price_as_old_as_allowed_passes_and_a_second_older_does_not(scene: Scene, symbol: str) -> None:
    feed = scene.loose_feed(symbol)
    scene.set_asset(symbol, max_age=HOUR)
    answer, updated_at = round(scene.price(symbol) * 1e8), scene.now()
    scene.set_feed(feed, answer, updated_at)
    steps, flash = scene.levering(1.3)
    call = scene.rebalance(steps, flash)
    refused = scene.refusal_at(updated_at + HOUR + 1, call, scene.people.keeper)
    assert refused == f"StalePrice({scene.tokens[symbol].address.lower()}, {updated_at}, {HOUR})"
    assert scene.passes_at(updated_at + HOUR, call, scene.people.keeper)


@pytest.mark.parametrize("answer", [0, -1])
def test_a_price_that_is_not_positive_is_refused(scene: Scene, answer: int) -> None:
    feed = scene.loose_feed("LINK")
    scene.set_feed(feed, answer, scene.now())
    steps, flash = scene.levering(1.3)
    assert scene.refusal(scene.rebalance(steps, flash), scene.people.keeper).startswith("InvalidPrice")


def test_a_price_from_the_future_is_refused(scene: Scene) -> None:
    feed = scene.loose_feed("LINK")
    scene.set_feed(feed, round(scene.price("LINK") * 1e8), scene.now() + 10_000)
    steps, flash = scene.levering(1.3)
    assert scene.refusal(scene.rebalance(steps, flash), scene.people.keeper).startswith("StalePrice")


def test_an_asset_neither_held_nor_touched_may_be_stale(scene: Scene) -> None:
    feed = scene.loose_feed("UNI")
    scene.set_feed(feed, 0, 0)
    scene.lever(1.3, ("WETH", "WBTC"))
    assert 0 == scene.worth("UNI")


def test_the_gap_to_the_lending_markets_price_is_limited(scene: Scene) -> None:
    feed = scene.loose_feed("LINK")
    market = round(scene.price("LINK") * 1e8)
    steps, flash = scene.levering(1.3)
    for sign in (1, -1):
        edge = market + sign * (market * 200 // BPS)
        scene.set_feed(feed, edge + sign * 1, scene.now())
        assert scene.refusal(scene.rebalance(steps, flash), scene.people.keeper).startswith("OracleGap")
    scene.set_feed(feed, market - market * 200 // BPS, scene.now())
    scene.wide_limits()
    scene.set_policy(max_oracle_gap_bps=200)
    scene.send(scene.rebalance(steps, flash), scene.people.keeper)


def test_a_sequencer_that_is_down_or_freshly_up_blocks_levering(scene: Scene) -> None:
    since = scene.now()
    sequencer = scene.deploy("SequencerFeed", since)
    scene.send(scene.read.setSequencerFeed(sequencer.address, HOUR), scene.people.admin)
    steps, flash = scene.levering(1.3)
    call = scene.rebalance(steps, flash)
    refused = scene.refusal_at(since + HOUR, call, scene.people.keeper)
    assert refused == f"SequencerGracePeriod({since}, {HOUR})"
    assert scene.passes_at(since + HOUR + 1, call, scene.people.keeper)
    scene.send(sequencer.functions.setStatus(True, since), scene.people.stranger)
    assert scene.refusal(call, scene.people.keeper) == "SequencerDown()"
    scene.send(sequencer.functions.setStatus(False, 0), scene.people.stranger)
    assert scene.refusal(call, scene.people.keeper) == "SequencerDown()"


def test_no_steps_are_no_rebalance(scene: Scene) -> None:
    assert scene.refusal(scene.rebalance([]), scene.people.keeper) == "NoSteps()"


def test_every_step_is_reported_with_what_moved(scene: Scene) -> None:
    receipt = scene.lever(1.4, ("WETH",))
    events = [
        log["args"] for log in scene.vault.events.StepExecuted().process_receipt(receipt, errors=DISCARD)
    ]
    swap, supplied, borrowed = events
    assert [4, 0, 2] == [event["kind"] for event in events]
    assert {1} == {event["epoch"] for event in events}
    assert 140_000 * USDC == pytest.approx(swap["amountIn"], abs=1)
    assert swap["amountOut"] == supplied["amountIn"] > 0
    assert scene.debt() == pytest.approx(borrowed["amountOut"], rel=1e-6)


def test_allowances_are_zero_afterwards(scene: Scene) -> None:
    scene.lever(1.8)
    for symbol in scene.tokens:
        for spender in (scene.pool.address, scene.read.swapRouter().call()):
            assert 0 == scene.erc20(symbol).functions.allowance(scene.vault.address, spender).call()


def test_a_rebalance_without_flash_loan_loops(scene: Scene) -> None:
    steps = [
        scene.sell(100_000 * USDC, "USDC", 500, "WETH"),
        scene.supply("WETH"),
        scene.borrow(40_000 * USDC),
        scene.sell(40_000 * USDC, "USDC", 500, "WBTC"),
        scene.supply("WBTC"),
    ]
    scene.send(scene.rebalance(steps), scene.people.keeper)
    assert scene.leverage() == pytest.approx(1.4 * WAD, rel=1e-2)


def test_an_exact_output_swap_buys_exactly_that(scene: Scene) -> None:
    wanted = 10**18
    steps = [scene.buy(wanted, "LINK", 3_000, "WETH", 500, "USDC", at_most=1_000 * USDC)]
    scene.send(scene.rebalance(steps), scene.people.keeper)
    assert wanted == scene.balance("LINK")


def test_collateral_that_the_pool_left_out_is_counted_in_with_the_next_supply(scene: Scene) -> None:
    scene.set_policy(min_interval=0)
    scene.send(scene.rebalance([scene.supply("USDC", 1_000 * USDC)]), scene.people.keeper)
    assert scene.collateral_usd() > 0
    scene.impersonate(scene.vault.address)
    scene.w3.provider.make_request(RPCEndpoint("anvil_setBalance"), [scene.vault.address, hex(10**20)])
    leave_out = scene.pool.functions.setUserUseReserveAsCollateral(scene.tokens["USDC"].address, False)
    scene.send(leave_out, scene.vault.address)
    assert 0 == scene.collateral_usd()
    scene.send(scene.rebalance([scene.supply("USDC", 1_000 * USDC)]), scene.people.keeper)
    assert scene.collateral_usd() == pytest.approx(2_000 * scene.price("USDC"), rel=1e-6)
