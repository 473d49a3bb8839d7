"""The keeper's key is stolen: nothing but the allowlist is reachable, and what can be lost is bounded."""

from __future__ import annotations

import pytest
from eth_utils.crypto import keccak
from web3.exceptions import ContractCustomError
from web3.types import Nonce, Wei

from keeper.devnet.local_chain import LocalChain
from keeper.domain.units import BPS
from tests.chain.vault_scene import SWAP_EXACT_IN, SWAP_EXACT_OUT, Scene
from tests.chain.vault_setup import vault_scene

USDC = 10**6
ALL = 2**256 - 1
REENTRANT_CALL = keccak(text="ReentrancyGuardReentrantCall()")[:4]


@pytest.fixture(scope="module")
def pause_state(fork: LocalChain) -> Scene:
    """The thief is the keeper; 100,000 USDC wait idle."""
    scene = vault_scene(fork)
    scene.deposit(100_000 * USDC)
    return scene


@pytest.fixture
def scene(pause_state: Scene, chain: LocalChain) -> Scene:
    """``pause_state``, put back as it was after the test."""
    assert chain.w3 is pause_state.w3
    return pause_state


def test_a_swap_through_or_into_a_foreign_token_is_refused(scene: Scene) -> None:
    foreign = scene.deploy("StickyToken").address
    for route in (("USDC", 500, foreign), ("USDC", 500, foreign, 500, "WETH")):
        steps = [scene.sell(USDC, *route)]
        refused = scene.refusal(scene.rebalance(steps), scene.people.keeper)
        assert refused == f"TokenNotAllowed({foreign.lower()})"


def test_a_foreign_token_cannot_be_sold_supplied_withdrawn_or_borrowed(scene: Scene) -> None:
    foreign = scene.deploy("StickyToken").address
    for kind in range(6):
        steps = [(kind, foreign, 1, 1, scene.path(foreign, 500, "USDC"))]
        refused = scene.refusal(scene.rebalance(steps), scene.people.keeper)
        assert refused == f"TokenNotAllowed({foreign.lower()})"


def test_only_the_debt_asset_can_be_borrowed_or_repaid(scene: Scene) -> None:
    weth = scene.tokens["WETH"].address
    for kind in (2, 3):
        refused = scene.refusal(scene.rebalance([(kind, weth, 1, 0, b"")]), scene.people.keeper)
        assert refused == f"TokenNotAllowed({weth.lower()})"


def test_a_foreign_fee_tier_is_refused_on_every_hop(scene: Scene) -> None:
    for route in (("USDC", 10_000, "LINK"), ("USDC", 500, "WETH", 10_000, "LINK")):
        steps = [scene.sell(USDC, *route)]
        assert scene.refusal(scene.rebalance(steps), scene.people.keeper) == "FeeTierNotAllowed(10000)"


@pytest.mark.parametrize("kind", [SWAP_EXACT_IN, SWAP_EXACT_OUT])
def test_a_path_that_is_not_the_steps_is_refused(scene: Scene, kind: int) -> None:
    usdc = scene.tokens["USDC"].address
    good = scene.path("USDC", 500, "WETH")
    wrong = [
        b"",
        good[:-1],
        good + b"\0",
        scene.path("USDC"),
        scene.path("WETH", 500, "USDC"),
        scene.path("USDC", 500, "WETH", 500, "USDC"),
    ]
    for path in wrong:
        steps = [scene.supply("USDC", USDC), (kind, usdc, USDC, 0, path)]
        assert scene.refusal(scene.rebalance(steps), scene.people.keeper) == "PathMalformed(1)"


def test_amounts_without_meaning_are_refused(scene: Scene) -> None:
    wrong = (
        scene.borrow(ALL),
        scene.buy(ALL, "WETH", 500, "USDC"),
        scene.supply("USDC", 0),
        scene.supply("WETH"),
        scene.sell(ALL, "WETH", 500, "USDC"),
        scene.repay(),
    )
    for step in wrong:
        assert scene.refusal(scene.rebalance([step]), scene.people.keeper) == "AmountNotAllowed(0)"


def test_nobody_calls_the_flash_loans_call_back(scene: Scene) -> None:
    usdc, vault = scene.tokens["USDC"].address, scene.vault.address
    call = scene.read.executeOperation(usdc, 1, 0, vault, b"")
    for caller in (scene.people.keeper, scene.people.stranger, scene.people.admin):
        assert scene.refusal(call, caller) == "UnexpectedFlashLoan()"
    scene.impersonate(scene.pool.address)
    assert scene.refusal(call, scene.pool.address) == "UnexpectedFlashLoan()"
    attacker = scene.deploy("FlashAttacker")
    attack = attacker.functions.attack(scene.pool.address, vault, usdc, 1_000 * USDC, b"")
    assert scene.refusal(attack, scene.people.keeper) == "UnexpectedFlashLoan()"


def test_a_sandwich_is_stopped_by_the_oracle_whatever_minimum_the_thief_asks_for(scene: Scene) -> None:
    scene.push_pool("USDC", 30_000_000 * USDC, "UNI")
    steps = [scene.sell(50_000 * USDC, "USDC", 3_000, "UNI", at_least=0)]
    assert scene.refusal(scene.rebalance(steps), scene.people.keeper).startswith("LossAboveLimit")


def test_a_thiefs_own_pool_of_allowed_tokens_cannot_take_more_than_the_bound(scene: Scene) -> None:
    """An empty fee tier is allowed by mistake, and the thief owns all of its liquidity."""
    scene.send(scene.read.setFeeTier(10_000, True), scene.people.admin)
    scene.thiefs_pool("WBTC", "USDC", 10_000, price_factor=5.0)
    steps = [scene.sell(50_000 * USDC, "USDC", 10_000, "WBTC")]
    assert scene.refusal(scene.rebalance(steps), scene.people.keeper).startswith("LossAboveLimit")


def test_a_day_of_wash_trades_costs_at_most_the_days_budget(scene: Scene) -> None:
    scene.set_policy(min_interval=0)
    worth = scene.nav()
    limits = scene.policy()
    refused = ""
    for _ in range(40):
        steps = [
            scene.sell(60_000 * USDC, "USDC", 3_000, "WETH"),
            scene.sell(ALL, "WETH", 3_000, "USDC"),
        ]
        call = scene.rebalance(steps)
        try:
            scene.send(call, scene.people.keeper)
        except ContractCustomError:
            refused = scene.refusal(call, scene.people.keeper)
            break
    assert refused.startswith(("DailyLossAboveLimit", "DailyTurnoverAboveLimit"))
    assert worth * (BPS - limits.max_daily_loss_bps) // BPS <= scene.nav() < worth


def test_after_any_attempt_value_is_still_in_the_vault(scene: Scene) -> None:
    scene.lever(2.0)
    worth = scene.nav()
    thief = scene.people.keeper
    before = {symbol: scene.balance(symbol, thief) for symbol in scene.tokens}
    steps = [scene.withdraw("WETH", 10**17), scene.sell(10**17, "WETH", 500, "USDC")]
    scene.set_policy(min_interval=0)
    scene.send(scene.rebalance(steps), thief)
    assert before == {symbol: scene.balance(symbol, thief) for symbol in scene.tokens}
    assert worth == pytest.approx(scene.nav(), rel=1e-4)


def test_a_token_that_keeps_allowances_is_refused(scene: Scene) -> None:
    """An allowlisted token turns hostile: its code is replaced in place."""
    scene.send(scene.rebalance([scene.sell(10_000 * USDC, "USDC", 3_000, "LINK")]), scene.people.keeper)
    scene.replace_code("LINK", "StickyToken")
    scene.set_policy(min_interval=0)
    steps = [scene.buy(100 * USDC, "USDC", 3_000, "LINK")]
    refused = scene.refusal(scene.rebalance(steps), scene.people.keeper)
    router = scene.read.swapRouter().call()
    assert refused == f"AllowanceLeft({scene.tokens['LINK'].address.lower()}, {router.lower()})"


def test_a_token_that_calls_back_finds_every_door_locked(scene: Scene) -> None:
    scene.send(scene.rebalance([scene.sell(10_000 * USDC, "USDC", 3_000, "LINK")]), scene.people.keeper)
    scene.set_policy(min_interval=0)
    hostile = scene.replace_code("LINK", "ReentrantToken")
    token, stranger = scene.tokens["LINK"].address, scene.people.stranger
    scene.send(scene.read.grantRole(scene.read.KEEPER_ROLE().call(), token), scene.people.admin)
    epoch = scene.read.epoch().call()
    steps = [scene.sell(10**18, "LINK", 3_000, "USDC")]
    calls = (
        scene.read.deposit(1, stranger),
        scene.read.mint(1, stranger),
        scene.read.withdraw(0, stranger, token),
        scene.read.redeem(0, stranger, token),
        scene.rebalance(steps, epoch=epoch + 1),
        scene.deleverage(steps, epoch=epoch + 1),
        scene.ripcord(steps, epoch=epoch + 1),
    )
    for call in calls:
        data = call.build_transaction({"gas": 1, "gasPrice": Wei(0), "nonce": Nonce(0)})["data"]
        snapshot = scene.snapshot()
        scene.send(hostile.functions.arm(scene.vault.address, data), stranger)
        scene.send(scene.rebalance(steps, epoch=epoch), scene.people.keeper)
        assert not hostile.functions.succeeded().call()
        assert REENTRANT_CALL == hostile.functions.answer().call()
        scene.restore(snapshot)
