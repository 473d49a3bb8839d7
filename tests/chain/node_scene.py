"""The keeper's view of a vault scene: a Node on it, and plans small enough to write by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx

from keeper.chain.chain_reader import ChainReader
from keeper.chain.deployed import Addresses, ReadingScope
from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import LocalChain
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import Cost, PostState, RebalancePlan, Route, Step, StepKind, VaultCall
from keeper.domain.units import UINT256_MAX
from tests.chain.vault_scene import RISKY, Scene

MULTICALL = "0xcA11bde05977b3631167028862bE2a173976CA11"
HISTORY_S = 120 * 86_400
CHAIN_ID = 31_337


TWAP_WINDOW_S = 1_800


def url_of(scene: Scene) -> str:
    return str(scene.w3.provider.endpoint_uri)  # type: ignore[attr-defined]


def addresses_of(scene: Scene, **changes: Any) -> Addresses:
    found = Addresses(vault=scene.world.deployment.vault, multicall=MULTICALL, quoter=scene.uniswap.quoter)
    return replace(found, **changes)


def node_of(
    scene: Scene, rpc: Rpc, progress: Callable[[str], None] | None = None, **changes: Any
) -> ChainReader:
    """``changes``: fields of ReadingScope."""
    scope = ReadingScope(CHAIN_ID, addresses_of(scene), RISKY, scene.people.keeper, TWAP_WINDOW_S)
    return ChainReader(rpc, replace(scope, **changes), progress)


def node_in(world: LocalChain, rpc: Rpc) -> ChainReader:
    """On the world's own vault."""
    told = world.deployment
    addresses = Addresses(told.vault, told.multicall, told.quoter)
    scope = ReadingScope(told.chain_id, addresses, RISKY, told.accounts["keeper"], TWAP_WINDOW_S)
    return ChainReader(rpc, scope)


class Between(httpx.BaseTransport):
    """Forwards to the node and does something after the ``after``-th request of its life."""

    def __init__(self, after: int, act: Callable[[], object]) -> None:
        self._real = httpx.HTTPTransport()
        self._left = after
        self._act = act

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._real.handle_request(request)
        response.read()
        self._left -= 1
        if self._left == 0:
            self._act()
        return response

    def close(self) -> None:
        self._real.close()


def a_plan(
    snapshot: MarketSnapshot, steps: tuple[Step, ...], flash: int = 0, call: VaultCall = VaultCall.REBALANCE
) -> RebalancePlan:
    """The steps at the snapshot's epoch; what is expected of them is left blank."""
    return RebalancePlan(
        call=call,
        epoch=snapshot.vault.epoch,
        deadline=snapshot.block.timestamp + 600,
        flash_amount=flash,
        steps=steps,
        expected=PostState(0.0, 0.0, 0.0, ()),
        cost=Cost(0.0, 0.0, 0.0, 0.0),
        gas_limit=0,
        turnover_usd=0.0,
        postponed_usd=0.0,
    )


def levering(snapshot: MarketSnapshot, scene: Scene, leverage: float = 1.5) -> RebalancePlan:
    """All idle cash and as much flash-borrowed into WBTC and WETH; the loan becomes debt."""
    cash = snapshot.holdings[0].idle
    flash = int(cash * (leverage - 1))
    half = (cash + flash) // 2
    steps = [
        step
        for symbol in ("WBTC", "WETH")
        for step in (
            a_step(StepKind.SWAP_EXACT_IN, "USDC", half, Route(("USDC", symbol), (500,))),
            a_step(StepKind.SUPPLY, symbol, UINT256_MAX),
        )
    ]
    steps.append(a_step(StepKind.BORROW, "USDC", flash + scene.premium(flash)))
    return a_plan(snapshot, tuple(steps), flash)


def a_step(kind: StepKind, symbol: str, amount: int, route: Route | None = None) -> Step:
    return Step(kind, symbol, amount, 0, route, 0, 0)
