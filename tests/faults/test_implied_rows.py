"""Row 55 of docs/faults.md: implied volatility."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from keeper.devnet import local_chain as devnet
from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.local_chain import LocalChain
from tests.chain.keeper_command import Ended, Run
from tests.faults.price_faults import (
    asset,
    looks_once,
)
from tests.servers.http_faults import HttpFaults, http_faults


@pytest.fixture
def deribit(chain: LocalChain, monkeypatch: pytest.MonkeyPatch, keeper: Run) -> Iterator[HttpFaults]:
    market = devnet.load_history(None, None)
    with deribit_server(market, chain.now, chain.spot) as url, http_faults(url) as proxy:
        monkeypatch.setenv("KEEPER_DERIBIT_URL", proxy.url)
        yield proxy


def implied(ended: Ended) -> dict[str, float | None]:
    return {one["symbol"]: one["volatility"]["implied"] for one in ended.json()["assets"]}


def not_a_number(answer: Any) -> Any:
    for candle in answer["result"]["data"]:
        candle[4] = None
    return answer


def frozen(answer: Any) -> Any:
    for candle in answer["result"]["data"]:
        candle[1:5] = [55.5] * 4
    return answer


def tripled(answer: Any) -> Any:
    for candle in answer["result"]["data"]:
        candle[1:5] = [3 * value for value in candle[1:5]]
    return answer


@pytest.mark.parametrize("trouble", ["rate limit", "nan", "frozen"])
def test_row_55_without_a_usable_volatility_the_last_good_one_counts_and_fades(
    keeper: Run, chain: LocalChain, deribit: HttpFaults, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    good = implied(looks_once(keeper, monkeypatch))
    assert good["WBTC"] is not None
    if trouble == "rate limit":
        body = b'{"jsonrpc":"2.0","error":{"code":10028,"message":"too_many_requests"}}'
        deribit.fault("status", count=-1, status=429, body=body)
    else:
        deribit.fault("drop", path="get_book_summary", count=-1)
        deribit.lie(not_a_number if trouble == "nan" else frozen, path="volatility_index")
    bad = keeper("rebalance", "--simulate", "--json")
    assert implied(bad)["WBTC"] == good["WBTC"]
    chain.pass_time(30 * 3_600)
    faded = keeper("rebalance", "--simulate", "--json")
    blend = asset(faded, "WBTC")["volatility"]
    assert blend["blended"] >= blend["historical"]


def test_row_55_a_volatility_three_times_as_high_lowers_leverage_only(
    keeper: Run, chain: LocalChain, deribit: HttpFaults, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = looks_once(keeper, monkeypatch).json()["target_leverage"]
    deribit.fault("drop", path="get_book_summary", count=-1)
    deribit.lie(tripled, path="volatility_index")
    after = keeper("rebalance", "--simulate", "--json").json()["target_leverage"]
    assert after <= before
