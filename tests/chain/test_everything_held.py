"""Everything that the vault holds counts, whether the settings name it or not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import LocalChain
from keeper.domain.portfolio import portfolio
from keeper.domain.units import UINT256_MAX
from keeper.lending.vault_gap import vault_gap
from tests.chain.keeper_command import Run
from tests.chain.node_scene import node_of
from tests.chain.vault_scene import Scene, scene_on

NAMED = ("WBTC", "WETH", "LINK")
BUDGETS = {"WBTC": 0.34, "WETH": 0.33, "LINK": 0.33}
UNI = 10**18


@pytest.fixture
def scene(chain: LocalChain) -> Scene:
    return scene_on(chain)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def node(scene: Scene, told: list[str]) -> Iterator[ChainReader]:
    """It names all assets but UNI."""
    with Rpc(scene.world.deployment.rpc_url) as rpc:
        yield node_of(scene, rpc, told.append, symbols=NAMED)


def test_an_asset_that_no_setting_names_is_read_counted_and_named(
    scene: Scene, node: ChainReader, told: list[str]
) -> None:
    scene.lever(1.5)
    snapshot = node.read({}, 0).snapshot
    held = portfolio(snapshot)
    assert snapshot.risk_symbols == (*NAMED, "UNI")
    assert held.weights[-1] > 0.3
    assert any("the vault holds UNI" in line for line in told)
    figures = snapshot.vault_figures
    assert figures is not None
    assert figures.nav_usd == pytest.approx(held.nav_usd, rel=1e-6)
    assert figures.leverage == pytest.approx(held.leverage, rel=1e-6)
    assert figures.health_factor == pytest.approx(held.health_factor, rel=1e-6)
    gap = vault_gap(snapshot)
    assert gap is not None
    assert gap.gap < 1e-6


def test_an_asset_that_is_listed_and_not_held_is_not_read_before_it_arrives(
    scene: Scene, node: ChainReader
) -> None:
    assert node.read({}, 0).snapshot.risk_symbols == NAMED
    assert node.deployment().unread == ("UNI",)
    before = node.round_trips
    node.read({}, 0)
    assert node.round_trips - before <= 3

    # Anybody may send the vault a token that it lists; then the vault counts it.
    scene.world.fund("UNI", scene.world.portfolio.address, 1_000 * UNI)
    snapshot = node.read({}, 0).snapshot
    assert snapshot.risk_symbols == (*NAMED, "UNI")
    assert snapshot.holding("UNI").idle == 1_000 * UNI
    assert node.deployment().unread == ()


def test_a_vault_of_cash_agrees_with_itself(node: ChainReader) -> None:
    snapshot = node.read({}, 0).snapshot
    assert snapshot.account.health_factor == UINT256_MAX
    gap = vault_gap(snapshot)
    assert gap is not None
    assert gap.gap < 1e-9


def test_a_forgotten_asset_stops_every_trade_but_an_emergency_and_doctor_names_it(
    keeper: Run, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.lever(1.5)
    tables = ", ".join(f'{{"symbol": "{symbol}", "budget": {budget}}}' for symbol, budget in BUDGETS.items())
    monkeypatch.setenv("KEEPER_ASSETS", f"[{tables}]")
    doctor = keeper("doctor", "--json").json()
    (line,) = (check for check in doctor["checks"] if check["name"] == "assets")
    assert (line["status"], doctor["exit_code"]) == ("FAILED", 5)
    assert line["detail"].startswith("the vault holds UNI, 3")

    trade = keeper("rebalance", "--simulate", "--json").json()
    assert (trade["action"], trade["exit_code"]) == ("HOLD", 5)
    assert "the vault holds UNI" in trade["reason"]

    lower = keeper("deleverage", "--simulate", "--json").json()
    assert (lower["action"], lower["outcome"]) == ("RIPCORD", "WOULD_SEND")
    assert "UNI" in {asset["symbol"] for asset in lower["assets"]}
