"""What the sender does with a node that refuses the fee, or everything."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.domain.errors import GasUnaffordable, NodeUnavailable, NodeUntrusted, OutcomeUnknown, RpcError
from keeper.domain.tx import AttemptKind, IntentStatus
from keeper.jsonrpc.requests import Request
from keeper.tx.node import PrivateRelay
from tests.tx.connection_double import ConnectionDouble
from tests.tx.node_double import CHAIN_ID, GWEI, SENDER, a_payload, read
from tests.tx.sender_setup import SenderSetup, setup

__all__ = ["setup"]

GAS = a_payload().gas_limit


def times_sent(setup: SenderSetup) -> int:
    """Of the bytes that arrived most often."""
    return max(setup.node.arrived.count(raw) for raw in setup.node.arrived)


@pytest.mark.parametrize("states_it", [True, False], ids=["states its cap", "does not"])
@pytest.mark.parametrize("cap_gwei", [21, 25, 35, 41])
def test_a_fee_above_the_nodes_cap_is_signed_again_lower_under_the_same_nonce(
    setup: SenderSetup, cap_gwei: int, states_it: bool
) -> None:
    """The next block needs a little more than 20 gwei, the first bid is 41."""
    setup.node.base_fee = 20 * GWEI
    setup.node.fee_cap, setup.node.states_cap = GAS * cap_gwei * GWEI, states_it
    assert setup.sender.send(a_payload(cap_gwei=100)).succeeded
    sent = [read(raw) for raw in setup.node.arrived]
    assert {one.nonce for one in sent} == {0}
    assert 20 * GWEI < sent[-1].max_fee <= cap_gwei * GWEI
    assert len(sent) <= 3
    assert times_sent(setup) == 1


def test_where_no_fee_under_the_nodes_cap_can_be_mined_the_node_is_quoted(setup: SenderSetup) -> None:
    setup.node.fee_cap = GAS * 5 * GWEI
    started = setup.clock.monotonic()
    with pytest.raises(OutcomeUnknown, match=r"exceeds the configured cap"):
        setup.sender.send(a_payload())
    assert setup.clock.monotonic() == started
    assert len(setup.node.arrived) == 1


def test_a_nodes_cap_is_kept_in_mind_when_the_fee_is_raised(setup: SenderSetup) -> None:
    setup.node.mines, setup.node.fee_cap = False, GAS * 25 * GWEI
    setup.node.base_fee, setup.node.tip = 15 * GWEI, 2 * GWEI
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload())
    first, *others = [read(raw).max_fee for raw in setup.node.arrived]
    assert first > 25 * GWEI
    assert len(others) >= 2
    assert others == sorted(others)
    assert max(others) <= 25 * GWEI


def test_a_later_cycle_signs_lower_what_an_earlier_one_could_not_send(setup: SenderSetup) -> None:
    setup.node.refuses_with = "Transaction fee cap exceeded"
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload())
    setup.node.refuses_with, setup.node.fee_cap = "", GAS * 15 * GWEI
    setup.restart().settle()
    assert setup.sender.settle() is None
    ((mined, _, _),) = setup.node.mined
    assert mined.max_fee <= 15 * GWEI


@pytest.mark.parametrize("words", ["the moon is full", "Too Many Requests", "nonce too high"])
def test_a_node_that_takes_nothing_is_not_sent_the_same_bytes_over_and_over(
    setup: SenderSetup, words: str
) -> None:
    setup.node.refuses_with = words
    with pytest.raises(OutcomeUnknown, match=words):
        setup.sender.send(a_payload())
    assert times_sent(setup) <= 3
    assert len(setup.node.arrived) <= 12


def test_bytes_that_are_sent_again_wait_longer_each_time(setup: SenderSetup) -> None:
    setup.node.refuses_with = "the moon is full"
    at: list[float] = []
    accept = setup.node.send_raw

    def send_raw(raw: str) -> None:
        at.append(setup.clock.monotonic() - started)
        accept(raw)

    setup.node.send_raw = send_raw  # type: ignore[method-assign]
    started = setup.clock.monotonic()
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(a_payload())
    assert at[:4] == [0.0, 3.0, 18.0, 30.0]


def test_the_same_emergency_again_adopts_the_attempt_that_is_out(setup: SenderSetup) -> None:
    """At the cap, where signing it again would give the same bytes."""
    emergency = replace(a_payload(cap_gwei=12), calldata="0x99bd1f20")
    setup.node.mines = False
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(emergency, supersede=True)
    (intent,) = setup.log.unfinished(CHAIN_ID, SENDER)
    setup.each_wait = setup.node.mine
    receipt = setup.restart().send(emergency, supersede=True)
    assert receipt.intent_id == intent.intent_id
    assert len(setup.node.mined) == 1


@pytest.mark.slow
def test_an_emergency_that_returns_to_an_earlier_call_never_signs_its_bytes_twice(setup: SenderSetup) -> None:
    first, second = (replace(a_payload(cap_gwei=11), calldata="0x99bd1f20" + end) for end in ("", "00" * 32))
    setup.node.mines = False
    for payload in (first, second, first):
        with pytest.raises(OutcomeUnknown):
            setup.sender.send(payload, supersede=True)
    (intent,) = setup.log.unfinished(CHAIN_ID, SENDER)
    assert setup.log.status(intent.intent_id) is IntentStatus.UNKNOWN
    assert len(setup.log.attempts(intent.intent_id)) == 1
    assert len({read(raw).tx_hash for raw in setup.node.arrived}) == 3


def test_a_replacement_that_is_too_low_for_the_node_is_raised_at_once(setup: SenderSetup) -> None:
    """Row 16: what waits at the nonce was sent with a higher tip than this journal's."""
    setup.node.mines = False
    first = replace(a_payload(cap_gwei=200), calldata="0x99bd1f20")
    with pytest.raises(OutcomeUnknown):
        setup.sender.send(first)
    setup.node.needs_percent = 125
    setup.each_wait = setup.node.mine
    other = replace(first, calldata="0x99bd1f2000")
    assert setup.restart().send(other, supersede=True).succeeded
    assert setup.node.mined[0][0].data == other.calldata


def test_a_fee_that_the_cap_forbids_is_refused_with_both_numbers(setup: SenderSetup) -> None:
    setup.node.base_fee = 30 * GWEI
    with pytest.raises(GasUnaffordable, match=r"base fee is 30\.0 gwei, and 900,000 gas .* most 24\.0"):
        setup.sender.send(a_payload(cap_gwei=24))


# ---------------------------------------------------------------------- relays


@pytest.mark.parametrize("words", ["Unsupported method", "nobody knows", "invalid params"])
def test_a_relay_without_the_private_method_takes_the_ordinary_one_and_no_no_op_is_paid(
    setup: SenderSetup, words: str
) -> None:
    def answer(request: Request[Any]) -> Any:
        if request.method == "eth_sendPrivateTransaction":
            return RpcError(request.method, -32_600, words, None)
        (raw,) = request.params
        setup.node.send_raw(raw)
        return read(raw).tx_hash

    relay = ConnectionDouble(answer)
    setup.relay = PrivateRelay(relay)
    setup.restart()
    assert setup.sender.send(replace(a_payload(), private=True)).succeeded
    assert relay.asked == ["eth_sendPrivateTransaction", "eth_sendRawTransaction"]
    (attempt,) = setup.log.attempts(setup.sender.send(replace(a_payload(4), private=True)).intent_id)
    assert attempt.kind is AttemptKind.CALL


@pytest.mark.parametrize(
    "refused",
    [
        NodeUnavailable("the node answers HTTP 400", remedy=""),
        NodeUntrusted("the answer is not JSON", remedy=""),
    ],
    ids=["HTTP status", "plain words"],
)
def test_a_relay_that_refuses_the_private_method_without_json_is_asked_for_the_other(
    refused: Exception,
) -> None:
    def answer(request: Request[Any]) -> Any:
        if request.method == "eth_sendPrivateTransaction":
            return refused
        return "0x" + "ab" * 32

    relay = ConnectionDouble(answer)
    PrivateRelay(relay).send_raw("0x02")
    assert relay.asked[-1] == "eth_sendRawTransaction"
