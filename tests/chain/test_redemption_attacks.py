"""The redemption queue: what cannot be gamed, and that the books balance whatever happens."""

from __future__ import annotations

import numpy as np
import pytest
from web3 import Web3

from tests.chain.queue_scene import DELAY, MANY, SHARE, USDC, QueueScene

REENTRANT_CALL = Web3.keccak(text="ReentrancyGuardReentrantCall()")[:4]
WALK_STEPS = 40
ACTS = ("request", "request", "pour", "serve", "serve", "claim", "wait", "price", "donate")


def test_donations_buy_nothing_and_break_nothing(levered_queue: QueueScene) -> None:
    one, two, _ = levered_queue.depositors
    levered_queue.request(one, 10_000 * SHARE)
    levered_queue.vault.send(
        levered_queue.vault.read.transfer(levered_queue.queue.address, 5_000 * SHARE), two
    )
    levered_queue.vault.fund("USDC", levered_queue.queue.address, 7_000 * USDC)
    assert levered_queue.pending() == 10_000 * SHARE
    levered_queue.mature()
    levered_queue.pour(50_000 * USDC)
    price = levered_queue.worth(10_000 * SHARE)
    levered_queue.serve()
    assert levered_queue.owed(one) <= price
    assert levered_queue.serve() == (0, 0)
    assert levered_queue.claim(one) == pytest.approx(price, abs=2)
    assert levered_queue.vault.balance("USDC", levered_queue.queue.address) >= 7_000 * USDC


def test_a_deposit_around_a_service_gains_its_sender_nothing(levered_queue: QueueScene) -> None:
    one, attacker, _ = levered_queue.depositors
    levered_queue.request(one, 30_000 * SHARE)
    levered_queue.mature()
    held, wealth = levered_queue.vault.shares(attacker), 50_000 * USDC
    price = levered_queue.worth(SHARE * 1_000)
    levered_queue.vault.fund("USDC", attacker, wealth)
    levered_queue.vault.deposit(wealth, attacker)
    levered_queue.serve(caller=attacker)
    bought = levered_queue.vault.shares(attacker) - held
    out = min(bought, levered_queue.vault.read.maxRedeem(attacker).call())
    before = levered_queue.vault.balance("USDC", attacker)
    levered_queue.vault.send(levered_queue.vault.read.redeem(out, attacker, attacker), attacker)
    back = levered_queue.vault.balance("USDC", attacker) - before + levered_queue.worth(bought - out)
    assert back <= wealth
    assert levered_queue.worth(SHARE * 1_000) == pytest.approx(price, rel=1e-6)


def test_a_speck_of_cash_is_not_paid_out_in_specks(levered_queue: QueueScene) -> None:
    first = levered_queue.depositors[0]
    levered_queue.request(first, 10_000 * SHARE)
    levered_queue.mature()
    levered_queue.vault.fund("USDC", levered_queue.vault.vault.address, 9 * USDC)
    assert levered_queue.serve() == (0, 0)
    levered_queue.vault.fund("USDC", levered_queue.vault.vault.address, 5 * USDC)
    assert levered_queue.serve()[1] >= 10 * USDC


def test_who_cannot_receive_does_not_hold_up_the_others(levered_queue: QueueScene) -> None:
    """USDC's issuer may freeze an account: what is its own waits, the line goes on."""
    one, two, _ = levered_queue.depositors
    frozen = levered_queue.vault.vault.address  # cannot ever call the queue
    levered_queue.request(one, 10_000 * SHARE, controller=frozen)
    levered_queue.request(two, 10_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(50_000 * USDC)
    levered_queue.serve()
    assert levered_queue.claimable(frozen) == 10_000 * SHARE
    assert levered_queue.claim(two) > 9_000 * USDC


def test_who_knows_the_next_price_cannot_be_paid_the_last_one(levered_queue: QueueScene) -> None:
    knows, stays, _ = levered_queue.depositors
    levered_queue.pour(50_000 * USDC)
    feed, answer = levered_queue.vault.loose_feed("WETH"), levered_queue.vault.price("WETH")
    levered_queue.vault.set_policy(max_oracle_gap_bps=10_000)
    old = levered_queue.worth(10_000 * SHARE)
    levered_queue.request(knows, 10_000 * SHARE)
    assert levered_queue.serve(caller=knows) == (0, 0)
    levered_queue.vault.set_feed(feed, round(answer * 0.8e8), levered_queue.vault.now())
    new, theirs = levered_queue.worth(10_000 * SHARE), levered_queue.worth(levered_queue.vault.shares(stays))
    levered_queue.vault.wait(DELAY)
    levered_queue.serve(caller=knows)
    assert levered_queue.owed(knows) == pytest.approx(new, rel=1e-4)
    assert new < 0.95 * old
    assert levered_queue.worth(levered_queue.vault.shares(stays)) == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("during", ["claim", "serve"])
def test_a_token_that_calls_back_finds_the_queue_locked(levered_queue: QueueScene, during: str) -> None:
    scene, (one, two, _) = levered_queue.vault, levered_queue.depositors
    for account in (one, two):
        levered_queue.request(account, 10_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(30_000 * USDC)
    levered_queue.serve(1)
    hostile = scene.replace_code("USDC", "ReentrantToken")
    token = scene.tokens["USDC"].address
    for account in (one, two):
        scene.send(levered_queue.read.setOperator(token, True), account)
    calls = (
        levered_queue.read.redeem(1, token, one),
        levered_queue.read.withdraw(1, token, one),
        levered_queue.read.serve(MANY),
        levered_queue.read.requestRedeem(50 * SHARE, token, two),
    )
    for call in calls:
        data = call.build_transaction({"gas": 1, "gasPrice": 0, "nonce": 0})["data"]
        before = scene.snapshot()
        scene.send(hostile.functions.arm(levered_queue.queue.address, data), two)
        outer = (
            levered_queue.read.redeem(SHARE, one, one)
            if during == "claim"
            else levered_queue.read.serve(MANY)
        )
        scene.send(outer, one)
        assert not hostile.functions.succeeded().call()
        assert hostile.functions.answer().call() == REENTRANT_CALL
        scene.restore(before)


def test_many_small_requests_cost_the_others_only_calls(levered_queue: QueueScene) -> None:
    one, griefer, _ = levered_queue.depositors
    for _ in range(25):
        levered_queue.request(griefer, 11 * SHARE)
    levered_queue.request(one, 1_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(50_000 * USDC)
    receipt = levered_queue.vault.send(levered_queue.read.serve(26), one)
    assert levered_queue.claimable(one) == 1_000 * SHARE
    assert receipt["gasUsed"] < 2_500_000


def test_whoever_redeems_from_the_vault_first_delays_the_line_and_takes_nothing_from_it(
    levered_queue: QueueScene,
) -> None:
    one, other, _ = levered_queue.depositors
    levered_queue.request(one, 10_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(10_500 * USDC)
    price = levered_queue.worth(10_000 * SHARE)
    levered_queue.vault.send(levered_queue.vault.read.redeem(10_000 * SHARE, other, other), other)
    levered_queue.serve()
    assert levered_queue.pending(one) > 9_000 * SHARE
    levered_queue.pour(20_000 * USDC)
    levered_queue.serve()
    assert levered_queue.claim(one) == pytest.approx(price, rel=1e-6)


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_happens_the_books_balance_and_nobody_loses_their_place(
    levered_queue: QueueScene, seed: int
) -> None:
    walk = Walk(levered_queue, np.random.default_rng(seed))
    for _ in range(WALK_STEPS):
        walk.step()
        walk.check()
    assert sum(walk.entitled.values()) > 0


class Walk:
    """Depositors, prices, cash and services at random, and beside them a list that says who must be paid when."""

    def __init__(self, scene: QueueScene, chance: np.random.Generator) -> None:
        self.scene, self.chance = scene, chance
        self.feed, self.answer = scene.vault.loose_feed("WETH"), scene.vault.price("WETH") * 1e8
        scene.vault.set_policy(max_oracle_gap_bps=10_000)
        self.waiting: list[tuple[str, int]] = []
        self.taken = dict.fromkeys(scene.depositors, 0)
        self.entitled = dict.fromkeys(scene.depositors, 0.0)

    def step(self) -> None:
        chance, scene = self.chance, self.scene
        account = scene.depositors[int(chance.integers(3))]
        act = str(chance.choice(ACTS))
        if act == "request":
            shares = int(chance.integers(11, 9_000)) * SHARE + int(chance.integers(SHARE))
            if shares <= scene.vault.shares(account) and scene.worth(shares) >= 10 * USDC:
                scene.request(account, shares)
                self.waiting.append((account, shares))
        elif act == "claim" and scene.claimable(account):
            self.taken[account] += scene.claim(account)
        elif act == "serve":
            self.waiting = served_in_order(
                scene, self.waiting, self.entitled, int(chance.choice((1, 2, MANY)))
            )
        else:
            self.elsewhere(act)

    def elsewhere(self, act: str) -> None:
        chance, vault = self.chance, self.scene.vault
        if act == "pour":
            self.scene.pour(int(chance.integers(1, 8_000)) * USDC)
        elif act == "donate":
            vault.fund("USDC", self.scene.queue.address, int(chance.integers(1, 50)))
        elif act == "wait":
            vault.wait(DELAY)
        elif act == "price":
            self.answer *= float(chance.uniform(0.9, 1.1))
        vault.set_feed(self.feed, round(self.answer), vault.now())

    def check(self) -> None:
        scene, vault = self.scene, self.scene.vault
        assert scene.pending() == sum(shares for _, shares in self.waiting)
        assert vault.shares(scene.queue.address) == scene.pending()
        owed = {one: scene.owed(one) for one in scene.depositors}
        assert vault.balance("USDC", scene.queue.address) >= sum(owed.values())
        for one in scene.depositors:
            assert scene.pending(one) == sum(shares for who, shares in self.waiting if who == one)
            assert self.taken[one] + owed[one] <= self.entitled[one] * (1 + 1e-9) + 1


def served_in_order(
    scene: QueueScene, waiting: list[tuple[str, int]], entitled: dict[str, float], most: int
) -> list[tuple[str, int]]:
    """What still waits after a service that must have gone down the line from its front, and what it was worth."""
    shares, assets = scene.serve(most)
    assert assets <= scene.worth(shares) * (1 + 1e-6) + 2
    left, paid = [], shares
    for who, asked in waiting:
        part = min(asked, paid)
        paid -= part
        entitled[who] += assets * part / shares if shares else 0.0
        if asked > part:
            left.append((who, asked - part))
    assert paid == 0
    return left
