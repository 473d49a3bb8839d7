"""A large redemption from request to payment: it queues, the keeper makes room, anybody has it served, the keeper rests."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import read_vault
from tests.chain.keeper_command import Run
from tests.chain.vault_scene import ALL, GAS, POLL_S

HOUR = 3_600
DAY = 24 * HOUR
FLOOR = 1.40 * (1 - 20e-4)


def transact(chain: LocalChain, call: object, sender: str) -> None:
    sent = call.transact({"from": sender, "gas": GAS})  # type: ignore[attr-defined]
    assert chain.w3.eth.wait_for_transaction_receipt(sent, poll_latency=POLL_S)["status"] == 1


def request(chain: LocalChain, part: float) -> int:
    """Shares that the depositor puts into the line."""
    depositor = chain.deployment.accounts["depositor"]
    shares = int(chain.vault.functions.balanceOf(depositor).call() * part)
    transact(chain, chain.vault.functions.approve(chain.queue.address, ALL), depositor)
    transact(chain, chain.queue.functions.requestRedeem(shares, depositor, depositor), depositor)
    return shares


def fired(answer: dict[str, Any], name: str = "redemptions") -> bool:
    (gate,) = [gate for gate in answer["gates"] if gate["name"] == name]
    return bool(gate["passed"])


def serve(chain: LocalChain) -> int:
    """Raw USDC that can be claimed after it."""
    transact(chain, chain.queue.functions.serve(100), chain.deployment.accounts["stranger"])
    return int(chain.queue.functions.maxWithdraw(chain.deployment.accounts["depositor"]).call())


@pytest.mark.parametrize("part", [0.4, 0.9])
def test_a_large_redemption_is_made_room_for_served_and_then_left_alone(
    keeper: Run, chain: LocalChain, part: float
) -> None:
    assert keeper("rebalance", "--execute").code == 0
    before = read_vault(chain)
    assert before.leverage > 1.05
    shares = request(chain, part)
    chain.pass_time(HOUR + 60)
    worth = chain.vault.functions.convertToAssets(shares).call()
    assert worth > chain.vault.functions.maxWithdraw(chain.queue.address).call() * 5

    acted = keeper("rebalance", "--execute", "--json")
    answer = acted.json()
    assert acted.code == 0, answer["reason"]
    assert fired(answer)
    between = read_vault(chain)
    assert between.health_factor >= FLOOR
    wanted = (part + 0.01 * (1 - part)) * between.nav_usd
    assert wanted * 0.995 < between.cash_usd < wanted * 1.02

    paid = serve(chain)
    assert chain.queue.functions.pendingShares().call() == 0
    assert paid == pytest.approx(worth, rel=75e-4)
    after = read_vault(chain)
    assert after.health_factor >= FLOOR
    assert after.leverage == pytest.approx(answer["target_leverage"] / (1 - part), rel=0.03)
    chain.pass_time(HOUR + 60)
    rests = keeper("rebalance", "--execute", "--json")
    assert (rests.code, rests.json()["action"]) == (0, "HOLD")


def test_when_everybody_leaves_everything_is_sold_and_all_are_paid(keeper: Run, chain: LocalChain) -> None:
    assert keeper("rebalance", "--execute").code == 0
    shares = request(chain, 1.0)
    for _ in range(4):
        chain.pass_time(DAY + HOUR)
        ended = keeper("rebalance", "--execute", "--json")
        assert ended.code == 0, ended.json()["reason"]
        serve(chain)
    left = chain.queue.functions.pendingShares().call()
    assert left < 0.001 * shares
    assert read_vault(chain).leverage < 0.5 or read_vault(chain).nav_usd < 250.0


def test_between_room_and_service_the_keeper_does_nothing_more(keeper: Run, chain: LocalChain) -> None:
    assert keeper("rebalance", "--execute").code == 0
    request(chain, 0.4)
    chain.pass_time(HOUR + 60)
    assert keeper("rebalance", "--execute", "--json").json()["action"] == "REBALANCE"
    epoch = read_vault(chain).epoch
    for _ in range(3):
        chain.pass_time(9 * HOUR)
        answer = keeper("rebalance", "--execute", "--json").json()
        assert (answer["action"], fired(answer)) == ("HOLD", False), answer["reason"]
    assert read_vault(chain).epoch == epoch
    shown = keeper("status").out
    assert "anybody may call serve()" in shown
    told = keeper("status", "--json").json()["redemptions"]
    assert told["value_usd"] > 50_000
    assert told["missing_usd"] == 0


def test_a_small_request_waits_until_it_is_worth_a_trade_and_no_longer_than_a_day(
    keeper: Run, chain: LocalChain
) -> None:
    assert keeper("rebalance", "--execute").code == 0
    request(chain, 0.02)
    chain.pass_time(2 * HOUR)
    waits = keeper("rebalance", "--execute", "--json").json()
    assert (waits["action"], fired(waits)) == ("HOLD", True)
    chain.pass_time(DAY)
    acts = keeper("rebalance", "--execute", "--json").json()
    assert acts["action"] == "REBALANCE"
    assert "redemptions" in acts["reason"]
    assert serve(chain) > 0
    assert chain.queue.functions.pendingShares().call() == 0
