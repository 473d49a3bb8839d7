"""Deribit's API over a real loopback socket: envelope, status codes, keep-alive, shutdown."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.history import MarketHistory, load


@pytest.fixture(scope="module")
def history() -> MarketHistory:
    return load(None, None)


@pytest.fixture(scope="module")
def client(history: MarketHistory) -> Iterator[httpx.Client]:
    with (
        deribit_server(history, lambda: history.at) as url,
        httpx.Client(base_url=f"{url}/api/v2/public") as client,
    ):
        yield client


def test_a_result_comes_in_the_json_rpc_envelope(client: httpx.Client, history: MarketHistory) -> None:
    answer = client.get("/get_index_price?index_name=btc_usd")
    body = answer.json()
    assert answer.status_code == 200
    assert body["jsonrpc"] == "2.0"
    assert body["result"]["index_price"] == round(history.last_price("WBTC"), 2)
    assert body["usDiff"] == body["usOut"] - body["usIn"] >= 0
    assert body["testnet"] is False


def test_volatility_is_served_in_percent(client: httpx.Client, history: MarketHistory) -> None:
    window = {"start_timestamp": (history.at - 86_400) * 1_000, "end_timestamp": history.at * 1_000}
    body = client.get(
        "/get_volatility_index_data", params={"currency": "ETH", "resolution": "3600", **window}
    ).json()
    implied = next(series for series in history.implied if series.underlying == "ETH")
    assert len(body["result"]["data"]) == 25
    assert body["result"]["data"][-1][4] == pytest.approx(implied.volatility[-1] * 100, abs=0.005)


def test_wrong_parameters_are_http_400_with_the_parameter(client: httpx.Client) -> None:
    answer = client.get("/get_volatility_index_data", params={"currency": "LINK"})
    assert answer.status_code == 400
    assert answer.json()["error"] == {
        "code": -32602,
        "message": "Invalid params",
        "data": {"reason": "value not allowed", "param": "currency"},
    }


def test_a_path_that_is_no_method_is_method_not_found(client: httpx.Client) -> None:
    answer = client.get("/no_such_method")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, -32601)


def test_an_answer_on_a_kept_connection_is_not_delayed(client: httpx.Client) -> None:
    client.get("/get_index_price?index_name=btc_usd")
    started = time.perf_counter()
    for _ in range(20):
        client.get("/get_index_price?index_name=btc_usd")
    # Unbuffered, each answer waits about 40 ms for a delayed acknowledgement.
    assert time.perf_counter() - started < 0.4


def test_leaving_the_block_frees_port_and_thread(history: MarketHistory) -> None:
    with deribit_server(history, lambda: history.at) as url:
        httpx.get(f"{url}/api/v2/public/get_index_price?index_name=btc_usd")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{url}/api/v2/public/get_index_price?index_name=btc_usd")
    ours = [thread for thread in threading.enumerate() if thread.name == "deribit"]
    assert len(ours) <= 1, "only the module's own server is left"
