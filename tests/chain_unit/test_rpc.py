"""The JSON-RPC client against a server that misbehaves in every way we could think of."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from keeper.chain.rpc.client import Request, Rpc
from keeper.domain.addresses import masked
from keeper.domain.errors import NodeUnavailable, NodeUntrusted, RpcError

URL = "https://user:password@node.example/v2/api-key"
Handler = Callable[[Any], httpx.Response]


class Server:
    """Answers by the handlers in turn, the last one for ever; keeps what it was asked."""

    def __init__(self, *handlers: Handler) -> None:
        self.handlers = list(handlers)
        self.asked: list[Any] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        payload = json.loads(request.content)
        self.asked.append(payload)
        handler = self.handlers.pop(0) if len(self.handlers) > 1 else self.handlers[0]
        return handler(payload)


def client(*handlers: Handler, **options: Any) -> tuple[Rpc, Server]:
    server = Server(*handlers)
    return Rpc(URL, transport=httpx.MockTransport(server), pause=lambda _: None, **options), server


def result_of(value: Any) -> Handler:
    return lambda asked: httpx.Response(200, json={"jsonrpc": "2.0", "id": asked["id"], "result": value})


def error_of(code: int, message: str, data: Any = None) -> Handler:
    error = {"code": code, "message": message, "data": data}
    return lambda asked: httpx.Response(200, json={"jsonrpc": "2.0", "id": asked["id"], "error": error})


def status(code: int) -> Handler:
    return lambda _: httpx.Response(code, text="no")


def broken(_: Any) -> httpx.Response:
    raise httpx.ConnectError("refused")


def methods_reversed(asked: list[dict[str, Any]]) -> httpx.Response:
    answers = [{"jsonrpc": "2.0", "id": call["id"], "result": call["method"]} for call in asked]
    return httpx.Response(200, json=answers[::-1])


def test_a_request_returns_the_result_and_is_one_round_trip() -> None:
    rpc, _ = client(result_of("0x1"))
    assert "0x1" == rpc.request("eth_chainId")
    assert 1 == rpc.round_trips
    assert rpc.bytes_received > 0


def test_a_batch_is_one_round_trip_and_its_answers_may_come_in_any_order() -> None:
    rpc, _ = client(methods_reversed)
    assert ["a", "b", "c"] == rpc.batch([Request("a"), Request("b"), Request("c")])
    assert 1 == rpc.round_trips


def test_a_node_that_refuses_batches_is_asked_singly_from_then_on() -> None:
    def refusal(_: Any) -> httpx.Response:
        error = {"code": -32600, "message": "batch not allowed"}
        return httpx.Response(200, json={"jsonrpc": "2.0", "id": None, "error": error})

    rpc, server = client(refusal, lambda asked: result_of(asked["method"])(asked))
    assert ["a", "b"] == rpc.batch([Request("a"), Request("b")])
    assert ["c", "d"] == rpc.batch([Request("c"), Request("d")])
    assert [True, False, False, False, False] == [isinstance(asked, list) for asked in server.asked]


@pytest.mark.parametrize(
    "passing",
    [
        broken,
        status(429),
        status(503),
        error_of(-32005, "limit exceeded"),
        error_of(-32000, "header not found"),
    ],
)
def test_a_read_is_tried_again_when_the_trouble_may_pass(passing: Handler) -> None:
    rpc, _ = client(passing, passing, result_of("0x1"))
    assert "0x1" == rpc.request("eth_chainId")
    assert 3 == rpc.round_trips


@pytest.mark.parametrize("passing", [broken, status(429), status(503)])
def test_a_read_gives_up_after_the_last_attempt(passing: Handler) -> None:
    rpc, _ = client(passing)
    with pytest.raises(NodeUnavailable):
        rpc.request("eth_chainId")
    assert 3 == rpc.round_trips


@pytest.mark.parametrize("passing", [broken, status(429), status(503), error_of(-32005, "limit exceeded")])
def test_a_send_is_never_tried_again(passing: Handler) -> None:
    rpc, _ = client(passing, result_of("0xabc"))
    with pytest.raises(NodeUnavailable):
        rpc.send("eth_sendRawTransaction", ["0x02"])
    assert 1 == rpc.round_trips


def test_an_error_of_the_node_keeps_its_code_text_and_data() -> None:
    rpc, _ = client(error_of(3, "execution reverted", "0xdeadbeef"))
    with pytest.raises(RpcError) as caught:
        rpc.request("eth_call")
    assert (3, "execution reverted", "0xdeadbeef") == (
        caught.value.code,
        caught.value.text,
        caught.value.data,
    )
    assert 1 == rpc.round_trips


@pytest.mark.parametrize(
    "body",
    [
        "not json",
        "[]",
        '{"jsonrpc":"2.0","id":999,"result":"0x1"}',
        '{"jsonrpc":"2.0","id":1}',
        '{"jsonrpc":"2.0","id":1,"result":NaN}',
        "[" * 100_000,
        "\x00",
    ],
    ids=["text", "list", "wrong id", "no result", "NaN", "deep", "binary"],
)
def test_garbage_is_not_believed(body: str) -> None:
    rpc, _ = client(lambda _: httpx.Response(200, text=body))
    with pytest.raises(NodeUntrusted):
        rpc.request("eth_chainId")


@pytest.mark.parametrize(
    "change",
    [
        lambda answers: answers[:-1],
        lambda answers: [*answers, answers[0]],
        lambda answers: [answers[0], answers[0]],
        lambda answers: [answers[0], 5],
        lambda answers: "hello",
    ],
    ids=["one missing", "one too many", "one twice", "not an object", "not a list"],
)
def test_a_batch_must_answer_every_id_once(change: Callable[[list[Any]], Any]) -> None:
    def handler(asked: list[dict[str, Any]]) -> httpx.Response:
        answers = [{"jsonrpc": "2.0", "id": call["id"], "result": 1} for call in asked]
        return httpx.Response(200, json=change(answers))

    rpc, _ = client(handler)
    with pytest.raises(NodeUntrusted):
        rpc.batch([Request("a"), Request("b")])


def test_an_answer_over_the_size_limit_is_refused() -> None:
    rpc, _ = client(result_of("0x" + "0" * 2_000), max_response_bytes=1_000)
    with pytest.raises(NodeUntrusted, match="1000 bytes"):
        rpc.request("eth_call")


def test_an_answer_that_drips_is_cut_off_after_the_timeout() -> None:
    def drip() -> Iterator[bytes]:
        while True:
            yield b" "

    rpc, _ = client(lambda _: httpx.Response(200, content=drip()), timeout_s=0.05, attempts=1)
    with pytest.raises(NodeUnavailable, match="timed out"):
        rpc.request("eth_chainId")


@pytest.mark.parametrize(
    "handler", [broken, status(401), status(503), lambda _: httpx.Response(200, text="?")]
)
def test_no_message_carries_the_key_in_the_address(handler: Handler) -> None:
    rpc, _ = client(handler)
    with pytest.raises((NodeUnavailable, NodeUntrusted)) as caught:
        rpc.request("eth_chainId")
    told = caught.value.message + caught.value.remedy
    assert "node.example" in told
    assert "api-key" not in told
    assert "password" not in told


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://node.example/v2/key", "https://node.example/…"),
        ("https://u:p@node.example", "https://node.example/…"),
        ("https://node.example/?key=1", "https://node.example/…"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("not a url", "…"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert shown == masked(url)


def test_deep_nesting_is_refused_even_where_the_recursion_limit_would_not_catch_it() -> None:
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)  # as importing web3 does, through py_ecc
    try:
        rpc, _ = client(lambda _: httpx.Response(200, text="[" * 1_000_000))
        with pytest.raises(NodeUntrusted):
            rpc.request("eth_chainId")
        rpc, _ = client(lambda _: httpx.Response(200, text="[" * 10_000))
        with pytest.raises(NodeUntrusted):
            rpc.request("eth_chainId")
    finally:
        sys.setrecursionlimit(limit)
