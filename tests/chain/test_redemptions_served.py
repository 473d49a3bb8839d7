"""A large redemption from request to payment: it waits, the keeper makes room, anybody has it settled."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import read_vault
from tests.chain.keeper_command import Run
from tests.chain.line import close, pending_shares, request_redemption, settle

HOUR = 3_600
DAY = 24 * HOUR
FLOOR = 1.40 * (1 - 20e-4)


def fired(answer: dict[str, Any], name: str = "redemptions") -> bool:
    (gate,) = [gate for gate in answer["gates"] if gate["name"] == name]
    return bool(gate["passed"])


def invest(keeper: Run, chain: LocalChain) -> None:
    """So long ago that the vault's limits on a day are free again: slots of 8 hours, of which four count."""
    assert keeper("rebalance", "--execute").code == 0
    chain.pass_time(DAY + 8 * HOUR)


@pytest.mark.parametrize("part", [0.4, 0.8])
def test_a_large_redemption_is_made_room_for_settled_and_then_left_alone(
    keeper: Run, chain: LocalChain, part: float
) -> None:
    invest(keeper, chain)
    before = read_vault(chain)
    assert before.leverage > 1.05
    shares = request_redemption(chain, part)
    close(chain)
    worth = chain.shares.functions.convertToAssets(shares).call()

    acted = keeper("rebalance", "--execute", "--json")
    answer = acted.json()
    assert acted.code == 0, answer["reason"]
    assert fired(answer)
    between = read_vault(chain)
    assert between.health_factor >= FLOOR
    wanted = (part + 0.01 * (1 - part)) * between.nav_usd
    assert wanted * 0.99 < between.cash_usd < wanted * 1.02

    paid = settle(chain)
    assert pending_shares(chain) < 0.01 * shares
    assert paid == pytest.approx(worth, rel=0.015)
    after = read_vault(chain)
    assert after.health_factor >= FLOOR
    chain.pass_time(HOUR + 60)
    again = keeper("rebalance", "--execute", "--json").json()
    if (
        again["action"] != "HOLD"
    ):  # what is left after large sales may ask for more health than the target's weights
        assert again["reason"].startswith("REBALANCE: health factor "), again["reason"]
        chain.pass_time(HOUR + 60)
    rests = keeper("rebalance", "--execute", "--json")
    assert (rests.code, rests.json()["action"]) == (0, "HOLD"), rests.json()["reason"]


def test_between_room_and_settlement_the_keeper_does_nothing_more(keeper: Run, chain: LocalChain) -> None:
    invest(keeper, chain)
    request_redemption(chain, 0.4)
    close(chain)
    assert keeper("rebalance", "--execute", "--json").json()["action"] == "REBALANCE"
    epoch = read_vault(chain).epoch
    for _ in range(3):
        chain.pass_time(9 * HOUR)
        answer = keeper("rebalance", "--execute", "--json").json()
        assert (answer["action"], fired(answer)) == ("HOLD", False), answer["reason"]
    assert read_vault(chain).epoch == epoch
    shown = keeper("status").out
    assert "anybody may settle them" in shown
    told = keeper("status", "--json").json()["redemptions"]
    assert told["value_usd"] > 50_000
    assert told["missing_usd"] == 0


def test_a_small_request_waits_until_it_is_worth_a_trade_and_no_longer_than_a_day(
    keeper: Run, chain: LocalChain
) -> None:
    invest(keeper, chain)
    request_redemption(chain, 0.02)
    close(chain)
    waits = keeper("rebalance", "--execute", "--json").json()
    assert (waits["action"], fired(waits)) == ("HOLD", True)
    chain.pass_time(DAY)
    acts = keeper("rebalance", "--execute", "--json").json()
    assert acts["action"] == "REBALANCE"
    assert "redemptions" in acts["reason"]
    assert settle(chain) > 0
    assert pending_shares(chain) == 0
