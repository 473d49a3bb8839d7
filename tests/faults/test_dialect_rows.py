"""Faults of docs/faults.md in the dialects of real clients, providers and gateways: a real node behind a proxy on a real
socket, and the real command. Each test is named after its row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.faults.fixtures import Trial
from tests.faults.processes import Ended
from tests.servers import dialects
from tests.servers.dialects import Dialect
from tests.servers.faulty_node import FaultyNode, faulty_node


@pytest.fixture
def three(trial: Trial) -> Iterator[list[FaultyNode]]:
    with ExitStack() as stack:
        yield [stack.enter_context(faulty_node(trial.proxy.url)) for _ in range(3)]


def run(trial: Trial, nodes: list[FaultyNode]) -> Ended:
    return trial.run(more={"KEEPER_RPC_URL": ",".join(node.url for node in nodes)})


def sent(trial: Trial, ended: Ended) -> None:
    assert ended.exit_code == 0, ended.out + ended.err
    assert ended.record["outcome"] == "SENT"
    assert trial.vault().epoch == 1


@pytest.mark.parametrize("method", ["eth_getBlockByNumber", "eth_call", "eth_feeHistory", "eth_chainId"])
def test_row_78_an_answer_of_null_is_refused_by_method_and_node_and_the_odd_one_of_three_is_named(
    trial: Trial, three: list[FaultyNode], method: str
) -> None:
    three[0].dialect = dialects.null(method)
    alone = run(trial, three[:1])
    assert alone.exit_code == 4, alone.out + alone.err
    reason = alone.record["reason"]
    assert f"{method}: the result is missing or null" in reason
    assert three[0].url in reason
    assert trial.proxy.arrived == []
    together = run(trial, three)
    sent(trial, together)
    note = together.record["nodes"][0]["note"]
    assert note.startswith(f"{method}: ")
    assert three[0].url in note


@pytest.mark.parametrize(
    "dialect",
    [
        dialects.geth_batch_limit(2),
        dialects.erigon_batch_limit(2),
        dialects.gateway_body_limit(1_500),
        dialects.errors_without_ids(2),
    ],
    ids=["geth", "Erigon", "gateway 413", "errors without ids"],
)
def test_row_79_a_batch_that_is_too_large_is_halved(
    trial: Trial, three: list[FaultyNode], dialect: Dialect
) -> None:
    three[0].dialect = dialect
    sent(trial, run(trial, three[:1]))


def test_row_80_a_multicall_without_enough_gas_is_halved(trial: Trial, three: list[FaultyNode]) -> None:
    three[0].dialect = dialects.provider_gas_cap(3_000)
    sent(trial, run(trial, three[:1]))
    assert three[0].asked.count("eth_call") > 20


@pytest.mark.parametrize(
    "speak",
    [
        lambda: dialects.once("eth_call", -32_000, "header for hash not found"),
        lambda: dialects.once("eth_call", -32_007, "50/second request limit reached"),
        lambda: dialects.once("eth_getBlockByNumber", -32_029, "Too Many Requests"),
        lambda: dialects.once("eth_getTransactionCount", 429, "exceeded its compute units per second"),
        dialects.alchemy_batch_limit,
    ],
    ids=["geth", "QuickNode", "a gateway", "Alchemy", "Alchemy, of a batch"],
)
def test_row_81_what_passes_by_itself_is_asked_again_in_the_same_cycle(
    trial: Trial, three: list[FaultyNode], speak: Callable[[], Dialect]
) -> None:
    three[0].dialect = speak()
    sent(trial, run(trial, three[:1]))


@pytest.mark.parametrize(
    "dialect", [dialects.without_finality(), dialects.without_mempool()], ids=["finalized", "txpool"]
)
def test_row_82_an_optional_method_that_is_refused_counts_as_not_told(
    trial: Trial, three: list[FaultyNode], dialect: Dialect
) -> None:
    three[0].dialect = dialect
    sent(trial, run(trial, three[:1]))


@pytest.mark.parametrize("count", [1, 3])
def test_row_83_another_spelling_of_the_same_values_is_no_lie(
    trial: Trial, three: list[FaultyNode], count: int
) -> None:
    three[0].dialect = dialects.padded_and_upper_case()
    ended = run(trial, three[:count])
    sent(trial, ended)
    assert [node["note"] for node in ended.record["nodes"]] == [""] * count
