"""The redemption queue: who may ask, who is served when and at which price, and what cannot be gamed."""

from __future__ import annotations

import numpy as np
import pytest
from web3 import Web3

from keeper.chain.admin.queue_deployment import deploy_queue
from keeper.devnet.local_chain import LocalChain
from keeper.domain.errors import WrongContract
from tests.chain.queue_scene import DELAY, MANY, SHARE, USDC, QueueScene, queue_scene
from tests.chain.vault_scene import ALL

REENTRANT_CALL = Web3.keccak(text="ReentrancyGuardReentrantCall()")[:4]
WALK_STEPS = 60
ACTS = ("request", "request", "pour", "serve", "serve", "claim", "wait", "price", "donate")


@pytest.fixture(scope="module")
def pause_state(fork: LocalChain) -> QueueScene:
    return queue_scene(fork)


@pytest.fixture
def scene(pause_state: QueueScene, chain: LocalChain) -> QueueScene:
    """``pause_state``, put back as it was after the test."""
    assert chain.w3 is pause_state.vault.w3
    return pause_state


@pytest.fixture
def levered(scene: QueueScene) -> QueueScene:
    """Three depositors of 100,000 USDC each in a vault at leverage 1.5, no cash idle."""
    for account in scene.depositors:
        scene.deposit(account, 100_000 * USDC)
    scene.vault.lever(1.5)
    assert scene.vault.balance("USDC") < USDC
    return scene


def pour(scene: QueueScene, amount: int) -> None:
    """Cash to serve from; a deposit leaves the share price as it is."""
    scene.vault.deposit(amount)


# ------------------------------------------------------------------ requests


def test_shares_in_the_line_are_the_queues_and_stay_there(levered: QueueScene) -> None:
    first, shares = levered.depositors[0], levered.vault.shares(levered.depositors[0])
    levered.request(first, shares // 2)
    assert levered.vault.shares(first) == shares - shares // 2
    assert levered.vault.shares(levered.queue.address) == shares // 2 == levered.pending(first)
    assert levered.claimable(first) == 0
    assert levered.read.pendingSince().call() == levered.vault.now()


def test_only_the_owner_or_its_operator_puts_shares_into_the_line(levered: QueueScene) -> None:
    owner, thief, _ = levered.depositors
    levered.vault.send(levered.vault.read.approve(levered.queue.address, ALL), owner)
    levered.vault.send(levered.vault.read.approve(thief, ALL), owner)
    call = levered.read.requestRedeem(50 * SHARE, thief, owner)
    assert levered.refusal(call, thief) == "NotOperator"
    levered.vault.send(levered.read.setOperator(thief, True), owner)
    levered.vault.send(call, thief)
    levered.vault.send(levered.read.setOperator(thief, False), owner)
    assert levered.refusal(call, thief) == "NotOperator"
    assert levered.pending(thief) == 50 * SHARE


def test_without_an_allowance_for_the_queue_nothing_moves(levered: QueueScene) -> None:
    first = levered.depositors[0]
    refused = levered.refusal(levered.read.requestRedeem(50 * SHARE, first, first), first)
    assert refused == "ERC20InsufficientAllowance"


def test_dust_is_not_queued_however_often_it_is_tried(levered: QueueScene) -> None:
    first = levered.depositors[0]
    levered.vault.send(levered.vault.read.approve(levered.queue.address, ALL), first)
    for shares in (0, 1, SHARE, 9 * SHARE):
        assert levered.refusal(levered.read.requestRedeem(shares, first, first), first) == "TooSmall"
    nobody = "0x" + "00" * 20
    assert levered.refusal(levered.read.requestRedeem(50 * SHARE, nobody, first), first) == "NoController"


def test_the_queue_speaks_erc_7540(scene: QueueScene) -> None:
    for published in ("e3bc4e65", "620ee8e4", "01ffc9a7"):
        assert scene.read.supportsInterface(bytes.fromhex(published)).call()
    assert not scene.read.supportsInterface(bytes.fromhex("ffffffff")).call()
    assert scene.read.share().call() == scene.vault.vault.address == scene.read.vault().call()
    assert scene.read.asset().call() == scene.vault.tokens["USDC"].address


def test_a_queue_needs_a_vault(scene: QueueScene) -> None:
    with pytest.raises(WrongContract):
        deploy_queue(scene.vault.w3, scene.vault.w3.eth.accounts[0], scene.depositors[0])


# ------------------------------------------------------------------- serving


def test_the_first_comes_first_and_the_last_in_part(levered: QueueScene) -> None:
    one, two, three = levered.depositors
    for account in levered.depositors:
        levered.request(account, 40_000 * SHARE)
    levered.mature()
    pour(levered, 60_000 * USDC)
    served, _ = levered.serve()
    assert levered.pending(one) == 0
    assert 0 < levered.pending(two) < 40_000 * SHARE
    assert levered.pending(three) == 40_000 * SHARE
    assert served == 120_000 * SHARE - levered.pending()
    rest = levered.pending(two)
    pour(levered, 10_000 * USDC)
    levered.serve()
    assert 0 < levered.pending(two) < rest
    assert levered.claimable(three) == 0
    pour(levered, 60_000 * USDC)
    levered.serve()
    assert levered.pending() == 0 == levered.read.pendingSince().call()


def test_everybody_gets_the_price_of_the_service_and_not_of_the_request(levered: QueueScene) -> None:
    one, two, _ = levered.depositors
    levered.request(one, 10_000 * SHARE)
    levered.request(two, 20_000 * SHARE)
    at_request = levered.worth(10_000 * SHARE)
    levered.mature()
    for symbol in ("WBTC", "WETH"):
        feed = levered.vault.loose_feed(symbol)
        levered.vault.set_feed(feed, round(levered.vault.price(symbol) * 0.9e8), levered.vault.now())
    levered.vault.set_policy(max_oracle_gap_bps=10_000)
    pour(levered, 50_000 * USDC)
    price = levered.worth(10_000 * SHARE)
    assert price < 0.95 * at_request
    levered.serve()
    assert levered.owed(one) == pytest.approx(price, rel=1e-6)
    assert levered.owed(two) == pytest.approx(2 * price, rel=1e-6)
    assert levered.owed(one) <= price


def test_nobody_is_served_before_the_delay_whatever_the_keeper_does(levered: QueueScene) -> None:
    first = levered.depositors[0]
    pour(levered, 50_000 * USDC)
    levered.request(first, 10_000 * SHARE)
    since = levered.read.pendingSince().call()
    assert levered.serve() == (0, 0)
    keepers, epoch = levered.vault, levered.vault.read.epoch().call()
    keepers.set_policy(min_interval=0)
    keepers.send(keepers.rebalance([keepers.borrow(USDC)]), keepers.people.keeper)
    assert keepers.read.epoch().call() == epoch + 1
    assert levered.serve() == (0, 0)
    levered.vault.mine_at(since + DELAY - 10)
    assert levered.serve() == (0, 0)
    levered.mature()
    assert levered.serve()[0] == 10_000 * SHARE


def test_a_fresh_request_behind_an_old_one_waits_for_its_own_delay(levered: QueueScene) -> None:
    one, two, _ = levered.depositors
    levered.request(one, 10_000 * SHARE)
    levered.mature()
    pour(levered, 50_000 * USDC)
    levered.request(two, 10_000 * SHARE)
    assert levered.serve()[0] == 10_000 * SHARE
    assert levered.pending(two) == 10_000 * SHARE


def test_who_asks_for_fewer_requests_is_given_fewer(levered: QueueScene) -> None:
    for account in levered.depositors:
        levered.request(account, 1_000 * SHARE)
    levered.mature()
    pour(levered, 50_000 * USDC)
    assert levered.serve(0) == (0, 0)
    assert levered.serve(2)[0] == 2_000 * SHARE
    assert levered.serve(MANY)[0] == 1_000 * SHARE
    assert levered.serve(MANY) == (0, 0)


def test_a_paused_vault_still_serves_from_its_cash(levered: QueueScene) -> None:
    first = levered.depositors[0]
    levered.request(first, 10_000 * SHARE)
    levered.mature()
    pour(levered, 50_000 * USDC)
    levered.vault.send(levered.vault.read.pause(), levered.vault.people.guardian)
    assert levered.serve()[0] == 10_000 * SHARE
    assert levered.claim(first) > 9_000 * USDC


def test_while_a_feed_is_dead_the_line_stands_and_then_goes_on(levered: QueueScene) -> None:
    first = levered.depositors[0]
    levered.request(first, 10_000 * SHARE)
    levered.mature()
    pour(levered, 50_000 * USDC)
    answer = round(levered.vault.price("WETH") * 1e8)
    feed = levered.vault.loose_feed("WETH")
    levered.vault.set_feed(feed, 0, levered.vault.now())
    assert levered.serve() == (0, 0)
    assert levered.pending(first) == 10_000 * SHARE
    levered.vault.set_feed(feed, answer, 1)  # stale
    assert levered.serve() == (0, 0)
    levered.vault.set_feed(feed, answer, levered.vault.now())
    assert levered.serve()[0] == 10_000 * SHARE


def test_shares_of_a_ruined_vault_are_not_burnt_for_nothing(levered: QueueScene) -> None:
    first = levered.depositors[0]
    levered.request(first, 10_000 * SHARE)
    levered.mature()
    pour(levered, 1_000 * USDC)
    for symbol in ("WBTC", "WETH", "LINK", "UNI"):
        levered.vault.set_feed(levered.vault.loose_feed(symbol), 1, levered.vault.now())
    levered.vault.set_policy(max_oracle_gap_bps=10_000)
    assert levered.vault.read.totalAssets().call() == 0
    assert levered.refusal(levered.read.serve(MANY), first) == "NothingToPay"
    assert levered.pending(first) == 10_000 * SHARE


# -------------------------------------------------------------------- claims


def test_only_the_controller_or_its_operator_takes_what_was_served(levered: QueueScene) -> None:
    owner, thief, receiver = levered.depositors
    levered.request(owner, 10_000 * SHARE)
    levered.mature()
    pour(levered, 50_000 * USDC)
    levered.serve()
    call = levered.read.redeem(10_000 * SHARE, thief, owner)
    assert levered.refusal(call, thief) == "NotOperator"
    assert levered.refusal(levered.read.withdraw(1, thief, owner), thief) == "NotOperator"
    before = levered.vault.balance("USDC", receiver)
    levered.vault.send(levered.read.withdraw(1_000 * USDC, receiver, owner), owner)
    assert levered.vault.balance("USDC", receiver) - before == 1_000 * USDC
    rest = levered.owed(owner)
    assert levered.claim(owner) == rest
    assert levered.claimable(owner) == 0 == levered.owed(owner)


def test_nobody_takes_more_than_was_served(levered: QueueScene) -> None:
    one, two, _ = levered.depositors
    for account in (one, two):
        levered.request(account, 10_000 * SHARE)
    levered.mature()
    pour(levered, 50_000 * USDC)
    levered.serve()
    more = levered.read.redeem(10_000 * SHARE + 1, one, one)
    assert levered.refusal(more, one) == "MoreThanClaimable"
    assert levered.refusal(levered.read.redeem(0, one, one), one) == "MoreThanClaimable"
    most = levered.owed(one)
    assert levered.refusal(levered.read.withdraw(most + 1, one, one), one) == "MoreThanClaimable"
    for _ in range(3):
        levered.vault.send(levered.read.withdraw(1, one, one), one)
    assert levered.claim(one) == most - 3


def test_parts_and_the_whole_pay_the_same(levered: QueueScene) -> None:
    one, two, _ = levered.depositors
    for account in (one, two):
        levered.request(account, 10_000 * SHARE)
    levered.mature()
    pour(levered, 50_000 * USDC)
    levered.serve()
    due = levered.owed(one)
    assert due == levered.owed(two)
    got = 0
    for shares in (1, SHARE // 3, 3_333 * SHARE + 7):
        before = levered.vault.balance("USDC", one)
        levered.vault.send(levered.read.redeem(shares, one, one), one)
        got += levered.vault.balance("USDC", one) - before
    assert got + levered.claim(one) == due


# ------------------------------------------------------------------- attacks


def test_donations_buy_nothing_and_break_nothing(levered: QueueScene) -> None:
    one, two, _ = levered.depositors
    levered.request(one, 10_000 * SHARE)
    levered.vault.send(levered.vault.read.transfer(levered.queue.address, 5_000 * SHARE), two)
    levered.vault.fund("USDC", levered.queue.address, 7_000 * USDC)
    assert levered.pending() == 10_000 * SHARE
    levered.mature()
    pour(levered, 50_000 * USDC)
    price = levered.worth(10_000 * SHARE)
    levered.serve()
    assert levered.owed(one) <= price
    assert levered.serve() == (0, 0)
    assert levered.claim(one) == pytest.approx(price, abs=2)
    assert levered.vault.balance("USDC", levered.queue.address) >= 7_000 * USDC


def test_a_deposit_around_a_service_gains_its_sender_nothing(levered: QueueScene) -> None:
    one, attacker, _ = levered.depositors
    levered.request(one, 30_000 * SHARE)
    levered.mature()
    held, wealth = levered.vault.shares(attacker), 50_000 * USDC
    price = levered.worth(SHARE * 1_000)
    levered.vault.fund("USDC", attacker, wealth)
    levered.vault.deposit(wealth, attacker)
    levered.serve(caller=attacker)
    bought = levered.vault.shares(attacker) - held
    out = min(bought, levered.vault.read.maxRedeem(attacker).call())
    before = levered.vault.balance("USDC", attacker)
    levered.vault.send(levered.vault.read.redeem(out, attacker, attacker), attacker)
    back = levered.vault.balance("USDC", attacker) - before + levered.worth(bought - out)
    assert back <= wealth
    assert levered.worth(SHARE * 1_000) == pytest.approx(price, rel=1e-6)


def test_a_speck_of_cash_is_not_paid_out_in_specks(levered: QueueScene) -> None:
    first = levered.depositors[0]
    levered.request(first, 10_000 * SHARE)
    levered.mature()
    levered.vault.fund("USDC", levered.vault.vault.address, 9 * USDC)
    assert levered.serve() == (0, 0)
    levered.vault.fund("USDC", levered.vault.vault.address, 5 * USDC)
    assert levered.serve()[1] >= 10 * USDC


def test_who_cannot_receive_does_not_hold_up_the_others(levered: QueueScene) -> None:
    """USDC's issuer may freeze an account: what is its own waits, the line goes on."""
    one, two, _ = levered.depositors
    frozen = levered.vault.vault.address  # cannot ever call the queue
    levered.request(one, 10_000 * SHARE, controller=frozen)
    levered.request(two, 10_000 * SHARE)
    levered.mature()
    pour(levered, 50_000 * USDC)
    levered.serve()
    assert levered.claimable(frozen) == 10_000 * SHARE
    assert levered.claim(two) > 9_000 * USDC


def test_who_knows_the_next_price_cannot_be_paid_the_last_one(levered: QueueScene) -> None:
    knows, stays, _ = levered.depositors
    pour(levered, 50_000 * USDC)
    feed, answer = levered.vault.loose_feed("WETH"), levered.vault.price("WETH")
    levered.vault.set_policy(max_oracle_gap_bps=10_000)
    old = levered.worth(10_000 * SHARE)
    levered.request(knows, 10_000 * SHARE)
    assert levered.serve(caller=knows) == (0, 0)
    levered.vault.set_feed(feed, round(answer * 0.8e8), levered.vault.now())
    new, theirs = levered.worth(10_000 * SHARE), levered.worth(levered.vault.shares(stays))
    levered.vault.wait(DELAY)
    levered.serve(caller=knows)
    assert levered.owed(knows) == pytest.approx(new, rel=1e-4)
    assert new < 0.95 * old
    assert levered.worth(levered.vault.shares(stays)) == pytest.approx(theirs, rel=1e-4)


@pytest.mark.parametrize("during", ["claim", "serve"])
def test_a_token_that_calls_back_finds_the_queue_locked(levered: QueueScene, during: str) -> None:
    scene, (one, two, _) = levered.vault, levered.depositors
    for account in (one, two):
        levered.request(account, 10_000 * SHARE)
    levered.mature()
    pour(levered, 30_000 * USDC)
    levered.serve(1)
    hostile = scene.replace_code("USDC", "ReentrantToken")
    token = scene.tokens["USDC"].address
    for account in (one, two):
        scene.send(levered.read.setOperator(token, True), account)
    calls = (
        levered.read.redeem(1, token, one),
        levered.read.withdraw(1, token, one),
        levered.read.serve(MANY),
        levered.read.requestRedeem(50 * SHARE, token, two),
    )
    for call in calls:
        data = call.build_transaction({"gas": 1, "gasPrice": 0, "nonce": 0})["data"]
        before = scene.snapshot()
        scene.send(hostile.functions.arm(levered.queue.address, data), two)
        outer = levered.read.redeem(SHARE, one, one) if during == "claim" else levered.read.serve(MANY)
        scene.send(outer, one)
        assert not hostile.functions.succeeded().call()
        assert hostile.functions.answer().call() == REENTRANT_CALL
        scene.restore(before)


def test_many_small_requests_cost_the_others_only_calls(levered: QueueScene) -> None:
    one, griefer, _ = levered.depositors
    for _ in range(25):
        levered.request(griefer, 11 * SHARE)
    levered.request(one, 1_000 * SHARE)
    levered.mature()
    pour(levered, 50_000 * USDC)
    receipt = levered.vault.send(levered.read.serve(26), one)
    assert levered.claimable(one) == 1_000 * SHARE
    assert receipt["gasUsed"] < 2_500_000


def test_whoever_redeems_from_the_vault_first_delays_the_line_and_takes_nothing_from_it(
    levered: QueueScene,
) -> None:
    one, other, _ = levered.depositors
    levered.request(one, 10_000 * SHARE)
    levered.mature()
    pour(levered, 10_500 * USDC)
    price = levered.worth(10_000 * SHARE)
    levered.vault.send(levered.vault.read.redeem(10_000 * SHARE, other, other), other)
    levered.serve()
    assert levered.pending(one) > 9_000 * SHARE
    pour(levered, 20_000 * USDC)
    levered.serve()
    assert levered.claim(one) == pytest.approx(price, rel=1e-6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happens_the_books_balance_and_nobody_loses_their_place(
    levered: QueueScene, seed: int
) -> None:
    walk = Walk(levered, np.random.default_rng(seed))
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
            pour(self.scene, int(chance.integers(1, 8_000)) * USDC)
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
