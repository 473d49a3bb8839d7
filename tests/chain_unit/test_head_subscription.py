"""What a node says on its WebSocket, as geth, Anvil and worse ones say it."""

from __future__ import annotations

import json

import pytest

from keeper.chain.heads.subscription import SocketLostError, Subscription
from tests.servers.head_server import SUBSCRIPTION, head

CHAIN_ID = 31337
TIME = 1_650_000_000


def answered(number: int, result: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": result}).encode()


@pytest.fixture
def subscription() -> Subscription:
    made = Subscription(CHAIN_ID)
    numbers = [json.loads(request)["id"] for request in made.requests()]
    made.heard(answered(numbers[1], SUBSCRIPTION))
    made.heard(answered(numbers[0], hex(CHAIN_ID)))
    return made


def test_it_asks_for_the_chain_and_for_new_heads() -> None:
    asked = [json.loads(request) for request in Subscription(CHAIN_ID).requests()]
    assert [(each["method"], each["params"]) for each in asked] == [
        ("eth_chainId", []),
        ("eth_subscribe", ["newHeads"]),
    ]


def test_a_head_tells_its_time(subscription: Subscription) -> None:
    assert subscription.confirmed
    assert subscription.heard(head(TIME).encode()) == TIME


def test_a_block_that_is_told_again_tells_nothing(subscription: Subscription) -> None:
    told = [subscription.heard(head(time).encode()) for time in (TIME, TIME, TIME + 12, TIME)]
    assert told == [TIME, None, TIME + 12, None]


def test_several_blocks_of_one_second_are_told_one_by_one(subscription: Subscription) -> None:
    told = [subscription.heard(head(TIME, number).encode()) for number in (7, 8, 8, 9, 7)]
    assert told == [TIME, TIME, None, TIME, None]


def test_a_later_block_of_a_lower_height_is_told_because_the_chain_was_reorganised(
    subscription: Subscription,
) -> None:
    told = [subscription.heard(head(TIME + 12 * late, number).encode()) for late, number in ((0, 7), (1, 6))]
    assert told == [TIME, TIME + 12]


def test_what_was_not_subscribed_to_is_not_heard(subscription: Subscription) -> None:
    assert subscription.heard(head(TIME, subscription="0x1").encode()) is None
    assert Subscription(CHAIN_ID).heard(head(TIME).encode()) is None
    assert subscription.heard(b'{"jsonrpc": "2.0", "method": "something_else"}') is None


def test_another_chain_is_refused() -> None:
    with pytest.raises(SocketLostError, match="is on chain 1, not on 31337"):
        Subscription(CHAIN_ID).heard(answered(1, "0x1"))


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (b"\xff\xfe", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 20_000, "not JSON"),
        (b"[]", "no JSON-RPC message"),
        (b"7", "no JSON-RPC message"),
        (
            b'{"id": 2, "error": {"code": -32601, "message": "no\\u001b[2J"}}',
            r"refuses to tell its blocks: no\\x1b",
        ),
        (b'{"id": 2, "error": "no"}', "refuses to tell its blocks: no"),
        (answered(1, "many"), "eth_chainId: the result is 'many'"),
        (answered(2, ["0x1"]), "eth_subscribe: the result is"),
        (head(TIME).replace(hex(TIME), "-1").encode(), "timestamp is '-1'"),
        (head(TIME).replace('"timestamp"', '"time"').encode(), "timestamp is missing"),
        (head(TIME).replace('"number"', '"height"').encode(), "number is missing"),
        (b'{"method": "eth_subscription"}', "params|missing"),
        (
            b'{"method": "eth_subscription", "params": {"subscription": "%s"}}' % SUBSCRIPTION.encode(),
            "missing",
        ),
    ],
)
def test_whatever_else_it_says_ends_the_socket_with_a_reason(
    subscription: Subscription, message: bytes, why: str
) -> None:
    with pytest.raises(SocketLostError, match=why) as lost:
        subscription.heard(message)
    assert len(str(lost.value)) < 300
