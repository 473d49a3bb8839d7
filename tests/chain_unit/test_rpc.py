"""The JSON-RPC client against a server that misbehaves in every way we could think of."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from keeper.chain.rpc.client import Rpc
from keeper.domain.addresses import masked
from keeper.domain.errors import NodeNotReady, NodeRefused, NodeUnavailable, NodeUntrusted, RpcError
from keeper.jsonrpc.requests import if_supported
from tests.servers.raw_request import raw_request

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
    assert "0x1" == rpc.request(raw_request("eth_chainId"))
    assert 1 == rpc.round_trips
    assert rpc.bytes_received > 0


def test_a_batch_is_one_round_trip_and_its_answers_may_come_in_any_order() -> None:
    rpc, _ = client(methods_reversed)
    assert ["a", "b", "c"] == rpc.batch([raw_request("a"), raw_request("b"), raw_request("c")])
    assert 1 == rpc.round_trips


def refusal(code: int, message: str, *, as_list: bool = False, own_id: bool = False) -> Handler:
    """One error for a whole batch."""

    def handler(asked: Any) -> httpx.Response:
        one = {
            "jsonrpc": "2.0",
            "id": asked[0]["id"] if own_id else None,
            "error": {"code": code, "message": message},
        }
        return httpx.Response(200, json=[one] if as_list else one)

    return handler


def sizes(server: Server) -> list[int]:
    """How many requests each HTTP request had; 0 for a single one outside a batch."""
    return [len(asked) if isinstance(asked, list) else 0 for asked in server.asked]


def limited(limit: int, refused: Handler) -> Handler:
    """A node that takes batches of so many."""

    def handler(asked: Any) -> httpx.Response:
        if not isinstance(asked, list):
            return result_of(asked["method"])(asked)
        return refused(asked) if len(asked) > limit else methods_reversed(asked)

    return handler


@pytest.mark.parametrize(
    "refused",
    [
        refusal(-32600, "batch not allowed"),
        refusal(-32600, "batch too large", as_list=True, own_id=True),
        refusal(-32000, "batch limit 2 exceeded", as_list=True),
        refusal(-32005, "Batched requests are not supported by this server"),
        lambda _: httpx.Response(413, text="request entity too large"),
        lambda asked: httpx.Response(
            200,
            json=[{"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "no"}} for _ in asked],
        ),
    ],
    ids=[
        "object",
        "list with an id",
        "list without an id",
        "jsonrpsee",
        "413",
        "an error for each without ids",
    ],
)
@pytest.mark.parametrize("limit", [1, 2])
def test_a_batch_that_is_too_large_is_halved_and_the_size_remembered(refused: Handler, limit: int) -> None:
    rpc, server = client(limited(limit, refused))
    letters = "abcd"
    assert [*letters] == rpc.batch([raw_request(letter) for letter in letters])
    before = len(server.asked)
    assert [*letters] == rpc.batch([raw_request(letter) for letter in letters])
    assert sizes(server)[before:] == ([2, 2] if limit == 2 else [0, 0, 0, 0])


def test_a_rate_limit_for_a_whole_batch_does_not_make_batches_smaller() -> None:
    rpc, server = client(refusal(-32007, "50/second request limit reached"), methods_reversed)
    for _ in range(2):
        assert ["a", "b"] == rpc.batch([raw_request("a"), raw_request("b")])
    assert sizes(server) == [2, 2, 2]


def test_one_answer_of_a_batch_that_is_too_large_is_asked_for_alone() -> None:
    def crowded(asked: list[dict[str, Any]]) -> httpx.Response:
        first = {"jsonrpc": "2.0", "id": asked[0]["id"], "result": "a"}
        error = {"code": -32003, "message": "response too large"}
        return httpx.Response(200, json=[first, {"jsonrpc": "2.0", "id": asked[1]["id"], "error": error}])

    rpc, server = client(crowded, result_of("b"))
    assert ["a", "b"] == rpc.batch([raw_request("a"), raw_request("b")])
    assert sizes(server) == [2, 0]


def test_an_optional_request_that_is_refused_has_no_result() -> None:
    def half(asked: list[dict[str, Any]]) -> httpx.Response:
        error = {"code": -32601, "message": "the method does not exist"}
        answers = [{"id": asked[0]["id"], "error": error}, {"id": asked[1]["id"], "result": "b"}]
        return httpx.Response(200, json=answers)

    rpc, _ = client(half)
    assert rpc.batch([if_supported(raw_request("a")), raw_request("b")]) == [None, "b"]
    with pytest.raises(RpcError, match="a: the node at https://node.example"):
        rpc.batch([raw_request("a"), raw_request("b")])


@pytest.mark.parametrize(
    "passing",
    [
        broken,
        status(429),
        status(503),
        error_of(-32005, "limit exceeded"),
        error_of(-32000, "header not found"),
        error_of(-32000, "header for hash not found"),
        error_of(429, "exceeded its compute units per second"),
    ],
)
def test_a_read_is_tried_again_when_the_trouble_may_pass(passing: Handler) -> None:
    rpc, _ = client(passing, passing, result_of("0x1"))
    assert "0x1" == rpc.request(raw_request("eth_chainId"))
    assert 3 == rpc.round_trips


@pytest.mark.parametrize("passing", [broken, status(429), status(503), error_of(-32005, "limit exceeded")])
def test_a_read_gives_up_after_the_last_attempt_and_has_no_answer(passing: Handler) -> None:
    rpc, _ = client(passing)
    with pytest.raises(NodeUnavailable, match="eth_chainId: .*node.example") as caught:
        rpc.request(raw_request("eth_chainId"))
    assert not isinstance(caught.value, RpcError)
    assert 3 == rpc.round_trips


@pytest.mark.parametrize("passing", [status(429), status(503), error_of(-32005, "limit exceeded")])
def test_a_refusal_for_now_that_lasts_is_told_from_no_answer(passing: Handler) -> None:
    rpc, _ = client(passing)
    with pytest.raises(NodeNotReady):
        rpc.request(raw_request("eth_call"))
    rpc, _ = client(broken)
    with pytest.raises(NodeUnavailable) as caught:
        rpc.request(raw_request("eth_call"))
    assert not isinstance(caught.value, NodeNotReady)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (-32000, "header for hash not found"),
        (-32000, "Unknown block"),
        (-32001, "Resource not found"),
        (-32001, "block not found: hash 0xffff"),
    ],
)
@pytest.mark.parametrize("companions", [0, 1])
def test_a_node_that_does_not_know_its_own_block_is_told_where_the_block_came_from(
    code: int, text: str, companions: int
) -> None:
    def refuses(asked: Any) -> httpx.Response:
        error = {"code": code, "message": text}
        calls = asked if isinstance(asked, list) else [asked]
        answers = [{"jsonrpc": "2.0", "id": call["id"], "error": error} for call in calls]
        return httpx.Response(200, json=answers if isinstance(asked, list) else answers[0])

    rpc, _ = client(refuses)
    block = "0x" + "ff" * 32
    pinned = raw_request("eth_call", [{}, {"blockHash": block, "requireCanonical": True}])
    with pytest.raises(
        NodeNotReady, match=f"eth_call: .*node.example.* {block}.*eth_getBlockByNumber.*{text}"
    ):
        rpc.batch([pinned] * (1 + companions))


@pytest.mark.parametrize("code", [401, 403, 404])
def test_an_http_refusal_is_no_failure_that_passes(code: int) -> None:
    rpc, _ = client(status(code))
    with pytest.raises(NodeRefused, match=f"eth_chainId: .*HTTP {code}"):
        rpc.request(raw_request("eth_chainId"))
    assert 1 == rpc.round_trips


@pytest.mark.parametrize("passing", [broken, status(429), status(503), error_of(-32005, "limit exceeded")])
def test_a_send_is_never_tried_again(passing: Handler) -> None:
    rpc, _ = client(passing, result_of("0xabc"))
    with pytest.raises(NodeUnavailable):
        rpc.send(raw_request("eth_sendRawTransaction", ["0x02"]))
    assert 1 == rpc.round_trips


def test_an_error_of_the_node_keeps_its_code_text_and_data() -> None:
    rpc, _ = client(error_of(3, "execution reverted", "0xdeadbeef"))
    with pytest.raises(RpcError) as caught:
        rpc.request(raw_request("eth_call"))
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
        rpc.request(raw_request("eth_chainId"))


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
    with pytest.raises(NodeUntrusted, match="^a, b: .*node.example"):
        rpc.batch([raw_request("a"), raw_request("b")])


def test_an_answer_over_the_size_limit_is_refused() -> None:
    rpc, _ = client(result_of("0x" + "0" * 2_000), max_response_bytes=1_000)
    with pytest.raises(NodeUntrusted, match="1000 bytes"):
        rpc.request(raw_request("eth_call"))


def test_an_answer_that_drips_is_cut_off_after_the_timeout() -> None:
    def drip() -> Iterator[bytes]:
        while True:
            yield b" "

    rpc, _ = client(lambda _: httpx.Response(200, content=drip()), timeout_s=0.05, attempts=1)
    with pytest.raises(NodeUnavailable, match="timed out"):
        rpc.request(raw_request("eth_chainId"))


@pytest.mark.parametrize(
    "handler", [broken, status(401), status(503), lambda _: httpx.Response(200, text="?")]
)
def test_no_message_carries_the_key_in_the_address(handler: Handler) -> None:
    rpc, _ = client(handler)
    with pytest.raises((NodeUnavailable, NodeUntrusted)) as caught:
        rpc.request(raw_request("eth_chainId"))
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
            rpc.request(raw_request("eth_chainId"))
        rpc, _ = client(lambda _: httpx.Response(200, text="[" * 10_000))
        with pytest.raises(NodeUntrusted):
            rpc.request(raw_request("eth_chainId"))
    finally:
        sys.setrecursionlimit(limit)
