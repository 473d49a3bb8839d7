"""The gas of each operation as a step of a vault's call, and called on the protocol itself from the same account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from web3.contract.contract import ContractFunction
from web3.types import RPCEndpoint

from keeper.devnet.compile import artifact
from tests.chain.vault_scene import BORROW, REPAY, SUPPLY, SWAP_EXACT_IN, WITHDRAW, Scene, Step

USDC = 10**6
ETHER = 10**18
SOME = 5_000 * USDC


@dataclass(frozen=True, slots=True)
class Spent:
    """``direct``: its own transactions, an allowance's among them. ``within``: what a vault's call with other steps
    costs more with it. ``alone``: a vault's call with nothing else, None where that makes no sense."""

    what: str
    direct: int
    within: int
    alone: int | None = None

    @property
    def added(self) -> float:
        """By the vault, as a part of ``direct``."""
        return self.within / self.direct - 1.0


def spent_by_operation(scene: Scene) -> tuple[Spent, ...]:
    """On a vault with debt, four kinds of collateral and some of everything idle. Leaves the scene changed."""
    scene.deposit(200_000 * USDC)
    scene.lever(1.5)
    scene.wide_limits()
    for symbol, amount in (("USDC", 50_000 * USDC), ("WETH", 10 * ETHER), ("WBTC", 10**8)):
        scene.fund(symbol, scene.vault.address, amount)
    scene.impersonate(scene.vault.address)
    scene.w3.provider.make_request(RPCEndpoint("anvil_setBalance"), [scene.vault.address, hex(10**20)])
    scene.refresh_feeds()
    operations = {
        "supply": scene.supply("WETH", ETHER),
        "withdraw": scene.withdraw("WETH", ETHER),
        "borrow": scene.borrow(SOME),
        "repay": scene.repay(SOME),
        "swap, one pool": scene.sell(SOME, "USDC", 500, "WETH"),
        "swap, two pools": scene.sell(SOME, "USDC", 500, "WETH", 3_000, "LINK"),
    }
    other = scene.sell(USDC * 1_000, "USDC", 500, "WBTC")
    without = _in_a_call(scene, [other])
    found = [
        Spent(
            what=name,
            direct=_directly(scene, [step]),
            within=_in_a_call(scene, [other, step]) - without,
            alone=_in_a_call(scene, [step]),
        )
        for name, step in operations.items()
    ]
    shift, _ = scene.shifting(SOME)
    everything = [scene.repay(SOME), *shift, scene.supply("WETH", ETHER), scene.borrow(SOME)]
    for name, steps in (("ether to bitcoin, 4 steps", shift), ("all kinds, 7 steps", everything)):
        found.append(Spent(f"whole call: {name}", _directly(scene, steps), _in_a_call(scene, steps)))
    return tuple(found)


def spent_table(found: Sequence[Spent]) -> str:
    head = f"{'gas':<44}{'direct':>10}{'in a call':>11}{'added':>9}{'alone':>11}"
    lines = [
        f"{one.what:<44}{one.direct:>10,}{one.within:>11,}{one.added:>9.1%}{_number(one.alone):>11}"
        for one in found
    ]
    return "\n".join([head, *lines])


def _number(gas: int | None) -> str:
    return "–" if gas is None else f"{gas:,}"


def _in_a_call(scene: Scene, steps: Sequence[Step]) -> int:
    before = scene.snapshot()
    gas = int(scene.send(scene.rebalance(list(steps)), scene.people.keeper)["gasUsed"])
    scene.restore(before)
    return gas


def _directly(scene: Scene, steps: Sequence[Step]) -> int:
    before = scene.snapshot()
    gas = 0
    for step in steps:
        for call in _calls(scene, step):
            gas += int(scene.send(call, scene.vault.address)["gasUsed"])
    scene.restore(before)
    return gas


def _calls(scene: Scene, step: Step) -> list[ContractFunction]:
    kind, token, amount, least, path = step
    vault, pool = scene.vault.address, scene.pool
    router = scene.w3.eth.contract(address=scene.read.swapRouter().call(), abi=artifact("SwapRouter02").abi)
    if kind in (SUPPLY, SWAP_EXACT_IN):
        amount = min(amount, scene.erc20(token).functions.balanceOf(vault).call())
    approve = scene.erc20(token).functions.approve
    calls: dict[int, Callable[[], list[ContractFunction]]] = {
        SUPPLY: lambda: [
            approve(pool.address, amount),
            pool.functions.supply(token, amount, vault, 0),
        ],
        WITHDRAW: lambda: [pool.functions.withdraw(token, amount, vault)],
        BORROW: lambda: [pool.functions.borrow(token, amount, 2, 0, vault)],
        REPAY: lambda: [approve(pool.address, amount), pool.functions.repay(token, amount, 2, vault)],
        SWAP_EXACT_IN: lambda: [
            approve(router.address, amount),
            router.functions.exactInput((path, vault, amount, least)),
        ],
    }
    return calls[kind]()
