"""The matrix of ``keeper doctor``: what each of the nodes can do, and what docs/nodes.md says of the clients tried."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keeper.devnet.local_chain import LocalChain
from keeper.doctor.capabilities import CAPABILITIES
from tests.chain.keeper_command import Run
from tests.servers.faulty_node import FaultyNode, faulty_node
from tests.servers.hardhat_node import hardhat

PAGE = Path(__file__).parents[2] / "docs" / "nodes.md"
MARKS = {"OK": "✓", "WARNING": "!", "FAILED": "✗"}


@pytest.fixture
def node(chain: LocalChain, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyNode]:
    with faulty_node(chain.deployment.rpc_url) as spy:
        monkeypatch.setenv("KEEPER_RPC_URL", spy.url)
        yield spy


def columns(keeper: Run) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = keeper("doctor", "--json").json()["nodes"]
    return nodes


def documented(client: str) -> dict[str, str]:
    """The marks of one column of the page's first table."""
    table = PAGE.read_text(encoding="utf-8").partition("| method |")[2].partition("\n\n")[0]
    head, _, *rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines()]
    place = head.index(client) + 1  # the head lacks its first cell here
    return {row[0].strip("`"): row[place] for row in rows}


def test_the_page_shows_what_anvil_can_do(keeper: Run, node: FaultyNode) -> None:
    (column,) = columns(keeper)
    assert column["client"].startswith("anvil/v1.7.1")
    assert documented("Anvil 1.7.1") == {name: MARKS[mark] for name, mark in column["methods"].items()}


def test_the_page_shows_what_hardhat_can_do(
    keeper: Run, world: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hardhat(world.deployment.rpc_url) as second:
        monkeypatch.setenv("KEEPER_RPC_URL", second.url)
        (column,) = columns(keeper)
    assert column["client"].startswith("HardhatNetwork/2.29.1")
    assert documented("Hardhat 2.29.1") == {name: MARKS[mark] for name, mark in column["methods"].items()}


@pytest.mark.parametrize("method", ["eth_estimateGas", "eth_feeHistory", "eth_getBalance"])
def test_a_needed_method_that_a_node_refuses_fails_the_check_and_is_named(
    keeper: Run, node: FaultyNode, method: str
) -> None:
    node.fault(method, "error", code=-32601, text="Method not found")
    ended = keeper("doctor", "--json").json()
    check = next(check for check in ended["checks"] if check["name"] == "node methods")
    assert check["status"] == "FAILED"
    assert method in check["detail"]
    assert ended["nodes"][0]["methods"][method] == "FAILED"
    assert "-32601" in ended["nodes"][0]["refusals"][method]


def test_one_way_to_simulate_is_enough_and_none_is_not(keeper: Run, node: FaultyNode) -> None:
    node.fault("eth_simulateV1", "status", status=403)
    (column,) = columns(keeper)
    assert column["methods"]["eth_simulateV1"] == "WARNING"
    node.fault("eth_call", "lie", change=lambda _: "0x")
    check = next(c for c in keeper("doctor", "--json").json()["checks"] if c["name"] == "node methods")
    assert check["status"] == "FAILED"


def test_the_matrix_fits_eighty_columns(
    keeper: Run, node: FaultyNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.fault("eth_simulateV1", "error", code=-38026, text="Client adjustable limit reached")
    monkeypatch.setenv("COLUMNS", "80")
    out = keeper("doctor").out
    assert max(map(len, out.splitlines())) <= 80
    assert [each.name for each in CAPABILITIES if each.name not in out] == []
    assert "eth_call simulates instead" in out
