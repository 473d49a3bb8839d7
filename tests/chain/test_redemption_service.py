"""The redemption queue: who is served when, and at which price."""

from __future__ import annotations

import pytest

from tests.chain.queue_scene import DELAY, MANY, SHARE, USDC, QueueScene


def test_the_first_comes_first_and_the_last_in_part(levered_queue: QueueScene) -> None:
    one, two, three = levered_queue.depositors
    for account in levered_queue.depositors:
        levered_queue.request(account, 40_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(60_000 * USDC)
    served, _ = levered_queue.serve()
    assert levered_queue.pending(one) == 0
    assert 0 < levered_queue.pending(two) < 40_000 * SHARE
    assert levered_queue.pending(three) == 40_000 * SHARE
    assert served == 120_000 * SHARE - levered_queue.pending()
    rest = levered_queue.pending(two)
    levered_queue.pour(10_000 * USDC)
    levered_queue.serve()
    assert 0 < levered_queue.pending(two) < rest
    assert levered_queue.claimable(three) == 0
    levered_queue.pour(60_000 * USDC)
    levered_queue.serve()
    assert levered_queue.pending() == 0 == levered_queue.read.pendingSince().call()


def test_everybody_gets_the_price_of_the_service_and_not_of_the_request(levered_queue: QueueScene) -> None:
    one, two, _ = levered_queue.depositors
    levered_queue.request(one, 10_000 * SHARE)
    levered_queue.request(two, 20_000 * SHARE)
    at_request = levered_queue.worth(10_000 * SHARE)
    levered_queue.mature()
    for symbol in ("WBTC", "WETH"):
        feed = levered_queue.vault.loose_feed(symbol)
        levered_queue.vault.set_feed(
            feed, round(levered_queue.vault.price(symbol) * 0.9e8), levered_queue.vault.now()
        )
    levered_queue.vault.set_policy(max_oracle_gap_bps=10_000)
    levered_queue.pour(50_000 * USDC)
    price = levered_queue.worth(10_000 * SHARE)
    assert price < 0.95 * at_request
    levered_queue.serve()
    assert levered_queue.owed(one) == pytest.approx(price, rel=1e-6)
    assert levered_queue.owed(two) == pytest.approx(2 * price, rel=1e-6)
    assert levered_queue.owed(one) <= price


def test_nobody_is_served_before_the_delay_whatever_the_keeper_does(levered_queue: QueueScene) -> None:
    first = levered_queue.depositors[0]
    levered_queue.pour(50_000 * USDC)
    levered_queue.request(first, 10_000 * SHARE)
    since = levered_queue.read.pendingSince().call()
    assert levered_queue.serve() == (0, 0)
    keepers, epoch = levered_queue.vault, levered_queue.vault.read.epoch().call()
    keepers.set_policy(min_interval=0)
    keepers.send(keepers.rebalance([keepers.borrow(USDC)]), keepers.people.keeper)
    assert keepers.read.epoch().call() == epoch + 1
    assert levered_queue.serve() == (0, 0)
    levered_queue.vault.mine_at(since + DELAY - 10)
    assert levered_queue.serve() == (0, 0)
    levered_queue.mature()
    assert levered_queue.serve()[0] == 10_000 * SHARE


def test_a_fresh_request_behind_an_old_one_waits_for_its_own_delay(levered_queue: QueueScene) -> None:
    one, two, _ = levered_queue.depositors
    levered_queue.request(one, 10_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(50_000 * USDC)
    levered_queue.request(two, 10_000 * SHARE)
    assert levered_queue.serve()[0] == 10_000 * SHARE
    assert levered_queue.pending(two) == 10_000 * SHARE


def test_who_asks_for_fewer_requests_is_given_fewer(levered_queue: QueueScene) -> None:
    for account in levered_queue.depositors:
        levered_queue.request(account, 1_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(50_000 * USDC)
    assert levered_queue.serve(0) == (0, 0)
    assert levered_queue.serve(2)[0] == 2_000 * SHARE
    assert levered_queue.serve(MANY)[0] == 1_000 * SHARE
    assert levered_queue.serve(MANY) == (0, 0)


def test_a_paused_vault_still_serves_from_its_cash(levered_queue: QueueScene) -> None:
    first = levered_queue.depositors[0]
    levered_queue.request(first, 10_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(50_000 * USDC)
    levered_queue.vault.send(levered_queue.vault.read.pause(), levered_queue.vault.people.guardian)
    assert levered_queue.serve()[0] == 10_000 * SHARE
    assert levered_queue.claim(first) > 9_000 * USDC


def test_while_a_feed_is_dead_the_line_stands_and_then_goes_on(levered_queue: QueueScene) -> None:
    first = levered_queue.depositors[0]
    levered_queue.request(first, 10_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(50_000 * USDC)
    answer = round(levered_queue.vault.price("WETH") * 1e8)
    feed = levered_queue.vault.loose_feed("WETH")
    levered_queue.vault.set_feed(feed, 0, levered_queue.vault.now())
    assert levered_queue.serve() == (0, 0)
    assert levered_queue.pending(first) == 10_000 * SHARE
    levered_queue.vault.set_feed(feed, answer, 1)  # stale
    assert levered_queue.serve() == (0, 0)
    levered_queue.vault.set_feed(feed, answer, levered_queue.vault.now())
    assert levered_queue.serve()[0] == 10_000 * SHARE


def test_shares_of_a_ruined_vault_are_not_burnt_for_nothing(levered_queue: QueueScene) -> None:
    first = levered_queue.depositors[0]
    levered_queue.request(first, 10_000 * SHARE)
    levered_queue.mature()
    levered_queue.pour(1_000 * USDC)
    for symbol in ("WBTC", "WETH", "LINK", "UNI"):
        levered_queue.vault.set_feed(levered_queue.vault.loose_feed(symbol), 1, levered_queue.vault.now())
    levered_queue.vault.set_policy(max_oracle_gap_bps=10_000)
    assert levered_queue.vault.read.totalAssets().call() == 0
    assert levered_queue.refusal(levered_queue.read.serve(MANY), first) == "NothingToPay"
    assert levered_queue.pending(first) == 10_000 * SHARE
