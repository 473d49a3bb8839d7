"""Rows 71 and 73 to 75 of docs/faults.md: nodes and relays that refuse what the keeper offers."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.faults.fixtures import Trial
from tests.servers.plain_relay import plain_relay

GWEI = 10**9
BY_HAND = ("deleverage", "--execute", "--json")
QUICKLY = {"KEEPER_SEND__GIVE_UP_AFTER_S": "8", "KEEPER_SEND__BUMP_AFTER_S": "8"}


def test_row_71_a_fee_above_the_nodes_cap_is_signed_again_lower_under_the_same_nonce(trial: Trial) -> None:
    trial.proxy.fee_cap_wei = 18 * 10**15
    assert trial.run().record["outcome"] == "SENT"
    first, *others = trial.proxy.arrived
    assert first.gas * first.max_fee > trial.proxy.fee_cap_wei
    assert 1 <= len(others) <= 2
    assert others[-1].gas * others[-1].max_fee <= trial.proxy.fee_cap_wei
    assert {one.nonce for one in others} == {first.nonce}


def test_row_71_where_no_fee_passes_the_node_is_quoted_and_nothing_is_repeated(trial: Trial) -> None:
    trial.proxy.fee_cap_wei = 10**15
    ended = trial.run()
    assert ended.exit_code == 6
    assert "exceeds the configured cap (0.00 ether)" in ended.record["error"]["message"]
    assert len(trial.proxy.arrived) == 1
    trial.proxy.fee_cap_wei = 10**18
    trial.come_to_rest()
    assert trial.vault().epoch == 1


@pytest.mark.parametrize(
    "words", ["the moon is full", "in-flight transaction limit reached for delegated accounts"]
)
def test_row_73_a_node_that_refuses_everything_is_quoted_and_not_flooded(trial: Trial, words: str) -> None:
    trial.proxy.refuses_with = words
    ended = trial.run(more=QUICKLY)
    assert ended.exit_code == 6
    assert words in ended.record["error"]["message"]
    assert max(Counter(one.raw for one in trial.proxy.arrived).values()) <= 3
    trial.proxy.refuses_with = ""
    trial.come_to_rest()
    assert trial.vault().epoch == 1


@pytest.mark.parametrize(
    ("code", "words"), [(-32600, "Unsupported method"), (-32000, "we only do the ordinary thing here")]
)
def test_row_74_a_relay_without_the_private_method_takes_the_ordinary_one(
    trial: Trial, code: int, words: str
) -> None:
    with plain_relay(trial.proxy.url, code, words) as relay:
        ended = trial.run(more={"KEEPER_PRIVATE_RPC_URL": relay.url})
    assert ended.record["outcome"] == "SENT"
    assert relay.asked == ["eth_sendPrivateTransaction", "eth_sendRawTransaction"]
    (call,) = trial.proxy.arrived
    assert call.data.startswith("0xf1eabd8b")  # Rebalancer.rebalance


def test_a_call_that_is_mined_after_its_deadline_says_so(trial: Trial) -> None:
    trial.proxy.mines_on_poll = None
    running = trial.start()
    trial.until(lambda: len(trial.proxy.arrived) == 1)
    trial.proxy.pass_time(700)
    ended = trial.ended(running)
    assert ended.exit_code == 5
    assert "reverted: DeadlinePassed(" in ended.record["error"]["message"]


def test_row_75_the_same_emergency_in_one_block_follows_the_attempt_that_is_out(trial: Trial) -> None:
    trial.lever()
    trial.proxy.arrived.clear()
    trial.proxy.mines_on_poll = None
    for _ in range(2):
        ended = trial.run(
            *BY_HAND, more=QUICKLY | {"KEEPER_SEND__GIVE_UP_AFTER_S": "2", "KEEPER_SEND__BUMP_AFTER_S": "2"}
        )
        assert ended.exit_code == 6, ended.record["reason"]
    assert len({one.tx_hash for one in trial.proxy.arrived}) == 1
    trial.proxy.mines_on_poll = 1
    trial.come_to_rest()
    assert trial.vault().deleveraged == 1
