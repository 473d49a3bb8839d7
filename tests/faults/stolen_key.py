"""An attacker with the keeper's key and an accomplice with capital: what one plan costs the vault in a day.

The attacker calls every function of the vault's ABI. Harmful calls are tried as large as the vault lets pass. All of it
runs on the real contracts while oracle prices stand still, so a fall of net asset value is a loss to the attacker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from web3.contract.contract import ContractFunction
from web3.exceptions import Web3Exception

from keeper.chain.admin.vault_parameters import PolicyParameters
from keeper.devnet.compile import artifact
from keeper.domain.units import BPS, WAD
from tests.chain.vault_scene import ALL, DIRECT_FEE, GAS, RISKY, ROUTES, Scene, Step

DAY_S = 86_400
LADDER = (1.0, 0.75, 0.55, 0.4, 0.3, 0.2, 0.14, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)
"""Fractions of a move's size that are tried, the largest first."""
TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
KINDS = ("wash", "dump", "lever", "nonsense", "shares")


@dataclass(frozen=True)
class Move:
    """One step of the attacker, after ``wait_s`` seconds. ``size`` is a fraction of the vault's net assets; ``push`` is the
    fraction of the accomplice's capital that moves the pool before the call and is traded back after it."""

    kind: str
    symbol: str
    size: float
    push: float
    wait_s: int


@dataclass
class Haul:
    """The result of a plan. ``navs``: time and NAV per share after each move (deposits and withdrawals are no loss).
    ``broken``: violated invariants."""

    navs: list[tuple[int, int]] = field(default_factory=list)
    calls: int = 0
    accomplice_usd: float = 0.0
    broken: list[str] = field(default_factory=list)

    def worst_day(self) -> float:
        """Largest part of NAV lost within any 24 hours."""
        worst = 0.0
        for place, (began, before) in enumerate(self.navs):
            for ended, after in self.navs[place:]:
                if ended - began <= DAY_S and before > 0:
                    worst = max(worst, 1.0 - after / before)
        return worst


def bound(policy: PolicyParameters) -> float:
    """The largest part of NAV that a key can lose in any 24 hours: each leaky bucket holds one daily limit and drains
    another one meanwhile."""
    routine, emergency = policy.max_daily_loss_bps / BPS, policy.max_daily_emergency_loss_bps / BPS
    return 2.0 * (routine + emergency)


class Attacker:
    """``capital`` is the accomplice's amount of each token when a plan begins, in raw USDC."""

    def __init__(self, scene: Scene, capital: int) -> None:
        self._scene = scene
        self._capital = capital
        self._router = scene.w3.eth.contract(address=scene.uniswap.router, abi=artifact("SwapRouter02").abi)
        self._policy = scene.policy()
        self._allowed = self._addresses_of_the_market()

    def carry_out(self, moves: Sequence[Move], seed: int) -> Haul:
        """Runs a plan and restores the chain afterwards."""
        scene, haul = self._scene, Haul()
        chance = np.random.default_rng(seed)
        snapshot = scene.snapshot()
        try:
            self._prepare_accomplice()
            before = self._accomplice_usd()
            haul.navs.append((scene.now(), self._share_price()))
            for move in moves:
                if move.wait_s:
                    scene.wait(move.wait_s)
                    scene.refresh_feeds()
                self._carry_out_move(move, haul, chance)
                haul.navs.append((scene.now(), self._share_price()))
            haul.accomplice_usd = self._accomplice_usd() - before
            haul.broken += self._broken()
        finally:
            scene.restore(snapshot)
        return haul

    # -------------------------------------------------------------------- moves

    def _carry_out_move(self, move: Move, haul: Haul, chance: np.random.Generator) -> None:
        if move.kind == "nonsense":
            self._nonsense(haul, chance)
            return
        if move.kind == "shares":
            self._shares(move, haul)
            return
        pushed = self._push(move) if move.push > 0 else 0
        build = {"wash": self._wash, "dump": self._dump, "lever": self._lever}[move.kind]
        for part in LADDER:
            call = build(replace(move, size=move.size * part))
            haul.calls += 1
            if self._passes(call, self._scene.people.keeper):
                receipt = self._scene.send(call, self._scene.people.keeper)
                self._watch(receipt, haul, routine=move.kind != "dump")
                break
        if pushed:
            self._pull(move, pushed)

    def _wash(self, move: Move) -> ContractFunction:
        """Sell and buy back: fees and slippage are the loss."""
        amount = self._amount(move)
        route = ROUTES[move.symbol]
        steps = [
            self._scene.withdraw(move.symbol, amount),
            self._scene.sell(amount, *reversed(route)),
            self._scene.sell(ALL, *route),
            self._scene.supply(move.symbol),
        ]
        return self._scene.rebalance(steps)

    def _dump(self, move: Move) -> ContractFunction:
        """Deleverage at whatever price the pool gives."""
        amount = self._amount(move)
        steps = [
            self._scene.withdraw(move.symbol, amount),
            self._scene.sell(amount, *reversed(ROUTES[move.symbol])),
            self._scene.repay(ALL),
        ]
        return self._scene.deleverage(steps)

    def _lever(self, move: Move) -> ContractFunction:
        """Borrow again, so that there is something to deleverage."""
        borrowed = int(self._scene.nav() * move.size / 100)
        steps: list[Step] = [
            self._scene.borrow(borrowed),
            self._scene.sell(borrowed, *ROUTES[move.symbol]),
            self._scene.supply(move.symbol),
        ]
        return self._scene.rebalance(steps)

    def _shares(self, move: Move, haul: Haul) -> None:
        """The accomplice deposits and withdraws again."""
        scene, stranger = self._scene, self._scene.people.stranger
        amount = int(scene.balance("USDC", stranger) * move.size)
        for call in (
            scene.erc20("USDC").functions.approve(scene.vault.address, ALL),
            scene.read.deposit(amount, stranger),
            scene.read.redeem(scene.shares(stranger), stranger, stranger),
        ):
            haul.calls += 1
            if self._passes(call, stranger):
                scene.send(call, stranger)

    def _nonsense(self, haul: Haul, chance: np.random.Generator) -> None:
        """Calls any function with random arguments."""
        functions = [
            entry
            for entry in self._scene.vault.abi
            if entry["type"] == "function" and entry["stateMutability"] not in ("view", "pure")
        ]
        entry = functions[chance.integers(len(functions))]
        arguments = [self._argument(given, chance) for given in entry["inputs"]]
        signature = f"{entry['name']}({','.join(_type(given) for given in entry['inputs'])})"
        call = self._scene.vault.get_function_by_signature(signature)(*arguments)
        haul.calls += 1
        if self._passes(call, self._scene.people.keeper):
            self._watch(self._scene.send(call, self._scene.people.keeper), haul, routine=False)

    def _argument(self, given: Any, chance: np.random.Generator) -> Any:
        kind = given["type"]
        people, tokens = self._scene.people, self._scene.tokens
        if kind.endswith("[]"):
            return [
                self._argument({**given, "type": kind[:-2]}, chance) for _ in range(chance.integers(0, 4))
            ]
        if kind == "tuple":
            return tuple(self._argument(part, chance) for part in given["components"])
        if kind == "address":
            known = [people.keeper, people.stranger, self._scene.vault.address]
            known += [token.address for token in tokens.values()]
            return known[chance.integers(len(known))]
        if kind == "bool":
            return bool(chance.integers(2))
        if kind.startswith("uint"):
            bits = int(kind[4:] or 256)
            if bits == 8:
                return int(chance.integers(0, 6))
            values = (
                0,
                1,
                10**6,
                10**18,
                2**bits - 1,
                self._scene.read.epoch().call(),
                self._scene.now() + DAY_S,
            )
            return min(int(values[chance.integers(len(values))]), 2**bits - 1)
        if kind == "bytes":
            routes = [self._scene.path(*ROUTES[symbol]) for symbol in RISKY]
            return (b"", routes[chance.integers(len(routes))])[chance.integers(2)]
        return chance.bytes(32) if kind == "bytes32" else chance.bytes(4)

    # --------------------------------------------------------------- accomplice

    def _prepare_accomplice(self) -> None:
        scene, stranger = self._scene, self._scene.people.stranger
        scene.fund("USDC", stranger, self._capital)
        for symbol in RISKY:
            scene.fund(symbol, stranger, self._worth(symbol, 1.0))
        for symbol in ("USDC", *RISKY):
            scene.send(scene.erc20(symbol).functions.approve(self._router.address, ALL), stranger)

    def _push(self, move: Move) -> int:
        """Moves the price of the pool that the vault will use. Returns the raw amount bought."""
        sells = move.kind != "lever"
        if sells:
            return self._swap(
                move.symbol,
                "USDC" if DIRECT_FEE[move.symbol] == 500 else "WETH",
                self._worth(move.symbol, move.push),
            )
        return self._swap("USDC", move.symbol, int(self._capital * move.push))

    def _pull(self, move: Move, amount: int) -> None:
        sells = move.kind != "lever"
        middle = "USDC" if DIRECT_FEE[move.symbol] == 500 else "WETH"
        self._swap(*((middle, move.symbol) if sells else (move.symbol, "USDC")), amount)

    def _worth(self, symbol: str, part: float) -> int:
        usd = self._capital * part / 1e6
        return int(usd / self._scene.price(symbol) * 10 ** self._scene.tokens[symbol].decimals)

    def _swap(self, sold: str, bought: str, amount: int) -> int:
        stranger = self._scene.people.stranger
        before = self._scene.balance(bought, stranger)
        fee = (
            DIRECT_FEE[sold if sold in DIRECT_FEE and DIRECT_FEE[sold] == 3_000 else bought]
            if "USDC" not in (sold, bought)
            else 500
        )
        call = self._router.functions.exactInputSingle(
            (self._scene.address(sold), self._scene.address(bought), fee, stranger, amount, 0, 0)
        )
        if not amount or not self._passes(call, stranger):
            return 0
        self._scene.send(call, stranger)
        return self._scene.balance(bought, stranger) - before

    def _accomplice_usd(self) -> float:
        scene, stranger = self._scene, self._scene.people.stranger
        return sum(
            scene.balance(symbol, stranger) * scene.price(symbol) / float(10 ** scene.tokens[symbol].decimals)
            for symbol in ("USDC", *RISKY)
        )

    # ----------------------------------------------------------------- invariants

    def _watch(self, receipt: Any, haul: Haul, *, routine: bool) -> None:
        """Checks N7, N8 and row 63 after a call that succeeded."""
        scene = self._scene
        vault = scene.vault.address.lower()
        for log in receipt["logs"]:
            topics = ["0x" + bytes(topic).hex() for topic in log["topics"]]
            left = topics[0] == TRANSFER and len(topics) == 3 and topics[1][-40:] == vault[2:]
            if left and "0x" + topics[2][-40:] not in self._allowed | {vault}:
                haul.broken.append(f"N7: value went to 0x{topics[2][-40:]}")
        for symbol in scene.tokens:
            for spender in (scene.uniswap.router, scene.pool.address):
                if scene.erc20(symbol).functions.allowance(vault_of(scene), spender).call():
                    haul.broken.append(f"row 63: an allowance of {symbol} to {spender} is left")
        if routine and scene.health_factor() < self._policy.min_health_factor:
            haul.broken.append(f"N8: health factor {scene.health_factor() / WAD:.3f} after a routine call")

    def _broken(self) -> Iterator[str]:
        scene = self._scene
        if scene.policy() != self._policy:
            yield "N7: the policy was changed"
        for role in (scene.read.DEFAULT_ADMIN_ROLE().call(), scene.read.GUARDIAN_ROLE().call()):
            if scene.read.hasRole(role, scene.people.keeper).call():
                yield "N7: the attacker gave itself a role"

    def _addresses_of_the_market(self) -> set[str]:
        scene = self._scene
        allowed = {pool.address.lower() for pool in scene.uniswap.pools} | {
            scene.pool.address.lower(),
            "0x" + "00" * 20,
        }
        for token in scene.tokens.values():
            for read in ("getReserveAToken", "getReserveVariableDebtToken"):
                allowed.add(str(scene.pool.functions[read](token.address).call()).lower())
        return allowed

    # -------------------------------------------------------------------- inside

    def _share_price(self) -> int:
        """NAV of 10^18 raw shares, USD with 8 decimals."""
        return self._scene.nav() * WAD // int(self._scene.read.totalSupply().call())

    def _amount(self, move: Move) -> int:
        usd = self._scene.nav() / 1e8 * move.size
        token = self._scene.tokens[move.symbol]
        return max(1, int(usd / self._scene.price(move.symbol) * 10**token.decimals))

    @staticmethod
    def _passes(call: ContractFunction, sender: str) -> bool:
        try:
            call.call({"from": sender, "gas": GAS})
        except (Web3Exception, ValueError):
            return False
        return True


def vault_of(scene: Scene) -> str:
    return str(scene.vault.address)


def _type(given: Any) -> str:
    kind: str = given["type"]
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(_type(part) for part in given["components"]) + ")" + kind[5:]
