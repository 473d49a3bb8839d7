"""The local chain's vault with its people, and the few verbs that its tests need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.types import RPCEndpoint, TxReceipt

from keeper.chain.steps import PREVIOUS
from keeper.devnet.compile import artifact
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at
from keeper.devnet.uniswap import Uniswap
from keeper.devnet.uniswap_math import sqrt_price_x96
from keeper.domain.market import Token, VaultPolicy
from keeper.domain.units import UINT256_MAX

ALL = UINT256_MAX
SUPPLY, WITHDRAW, BORROW, REPAY, SWAP_EXACT_IN, SWAP_EXACT_OUT = range(6)
FAR_FUTURE = 2**40
WIDEST_TICK = 887_200  # a multiple of every fee tier's spacing but the 0.3 % one's
POLL_S = 0.005
GAS = 9_000_000
WINDOW_S = 32 * 3_600
"""After it the vault no longer counts what was lost and sold (Windows.sol)."""
NO_ADDRESS = "0x" + "00" * 20
RISKY = ("WBTC", "WETH", "LINK", "UNI")
DIRECT_FEE = {"WBTC": 500, "WETH": 500, "LINK": 3_000, "UNI": 3_000}
THROUGH_WETH = ("LINK", "UNI")

Step = tuple[int, int, str, str, int, int]
"""IPortfolio's Step: kind, account, token, pool, amount, limit."""


@dataclass(frozen=True, slots=True)
class People:
    """Accounts unlocked on the node. ``stranger`` has no role and no shares; ``admin`` is the timelock itself."""

    admin: str
    keeper: str
    guardian: str
    operations: str
    depositor: str
    stranger: str


@dataclass(frozen=True, slots=True)
class Scene:
    world: LocalChain
    people: People

    # ------------------------------------------------------------ transactions

    def send(self, call: ContractFunction, sender: str) -> TxReceipt:
        """Mines it; a revert raises ContractCustomError or ContractLogicError."""
        account = self.w3.to_checksum_address(sender)
        call.call({"from": account, "gas": GAS})
        receipt = self.w3.eth.wait_for_transaction_receipt(
            call.transact({"from": account, "gas": GAS}), poll_latency=POLL_S
        )
        assert receipt["status"] == 1
        return receipt

    def rebalance(self, steps: Sequence[Step], flash: int = 0) -> ContractFunction:
        return self._call("rebalance", steps, flash)

    def deleverage(self, steps: Sequence[Step], flash: int = 0) -> ContractFunction:
        return self._call("deleverage", steps, flash)

    def _call(self, name: str, steps: Sequence[Step], flash: int) -> ContractFunction:
        loan = (0, self.address("USDC"), flash)
        return self.world.rebalancer.functions[name](self.epoch(), FAR_FUTURE, loan, list(steps))

    # ------------------------------------------------------------------ steps

    def supply(self, symbol: str, amount: int = ALL) -> Step:
        return (SUPPLY, 0, self.address(symbol), NO_ADDRESS, amount, 0)

    def withdraw(self, symbol: str, amount: int = ALL) -> Step:
        return (WITHDRAW, 0, self.address(symbol), NO_ADDRESS, amount, 0)

    def borrow(self, amount: int) -> Step:
        return (BORROW, 0, self.address("USDC"), NO_ADDRESS, amount, 0)

    def repay(self, amount: int = ALL) -> Step:
        return (REPAY, 0, self.address("USDC"), NO_ADDRESS, amount, 0)

    def sell(self, amount: int, symbol: str, fee: int, other: str) -> Step:
        return (SWAP_EXACT_IN, 0, self.address(symbol), self.pool_of(symbol, other, fee), amount, 0)

    def buying(self, symbol: str, usdc: int) -> list[Step]:
        """Through WETH where the direct pool is too thin."""
        if symbol not in THROUGH_WETH:
            return [self.sell(usdc, "USDC", DIRECT_FEE[symbol], symbol)]
        return [
            self.sell(usdc, "USDC", DIRECT_FEE["WETH"], "WETH"),
            self.sell(PREVIOUS, "WETH", DIRECT_FEE[symbol], symbol),
        ]

    # ------------------------------------------------------------------ plans

    def levering(self, leverage: float) -> tuple[list[Step], int]:
        """Steps and flash amount that spend all idle cash and ``leverage - 1`` times it on equal parts of collateral."""
        cash = self.balance("USDC")
        flash = int(cash * (leverage - 1))
        part = (cash + flash) // len(RISKY)
        steps: list[Step] = []
        for symbol in RISKY:
            steps += [*self.buying(symbol, part), self.supply(symbol, PREVIOUS)]
        if flash:
            steps.append(self.borrow(flash + self.premium(flash)))
        return steps, flash

    def lever(self, leverage: float = 1.5) -> TxReceipt:
        steps, flash = self.levering(leverage)
        return self.send(self.rebalance(steps, flash), self.people.keeper)

    def premium(self, flash: int) -> int:
        bps = self.world.pool.functions.FLASHLOAN_PREMIUM_TOTAL().call()
        return int(-(-flash * bps // 10_000))

    # ------------------------------------------------------------------ state

    @property
    def w3(self) -> Web3:
        return self.world.w3

    @property
    def tokens(self) -> dict[str, Token]:
        return {symbol: self.world.tokens[symbol] for symbol in ("USDC", *RISKY)}

    @property
    def uniswap(self) -> Uniswap:
        return self.world.uniswap

    def address(self, symbol_or_address: str) -> str:
        token = self.tokens.get(symbol_or_address)
        return symbol_or_address if token is None else token.address

    def pool_of(self, symbol: str, other: str, fee: int) -> str:
        return next(
            pool.address
            for pool in self.world.deployment.pools
            if set(pool.symbols) == {symbol, other} and pool.fee == fee
        )

    def path(self, *route: str | int) -> bytes:
        """symbol, fee, symbol, … as QuoterV2 takes it."""
        return b"".join(
            entry.to_bytes(3, "big") if isinstance(entry, int) else bytes.fromhex(self.address(entry)[2:])
            for entry in route
        )

    def epoch(self) -> int:
        return int(self.world.rebalancer.functions.state().call()[0])

    def balance(self, symbol: str, account: str | None = None) -> int:
        """Of the portfolio, or of ``account``."""
        holder = self.world.portfolio.address if account is None else account
        return int(self.erc20(symbol).functions.balanceOf(holder).call())

    def erc20(self, symbol_or_address: str) -> Contract:
        return contract_at(self.w3, "ERC20", self.address(symbol_or_address))

    def price(self, symbol: str) -> float:
        """By the vault's feed, USD."""
        return float(self.feed(symbol).functions.latestRoundData().call()[1]) / 1e8

    def feed(self, symbol: str) -> Contract:
        at = self.book.functions.feedOf(self.address(symbol)).call()[0]
        return contract_at(self.w3, "LooseFeed", at)

    @property
    def book(self) -> Contract:
        return contract_at(self.w3, "PriceBook", self.world.deployment.contracts["book"])

    # -------------------------------------------------------------- the admin's

    def set_policy(self, **changes: int) -> None:
        policy = replace(VaultPolicy(*self.world.registry.functions.policy().call()), **changes)
        values = tuple(getattr(policy, field.name) for field in fields(VaultPolicy))
        self.send(self.world.registry.functions.setPolicy(values), self.people.admin)

    def disable(self, symbol: str) -> None:
        self.send(self.world.registry.functions.disableAsset(self.address(symbol)), self.people.operations)

    def set_feed_of(self, symbol: str, feed: str, max_age_s: int) -> None:
        """As the registry does once a proposal has waited."""
        call = self.book.functions.setFeed(self.address(symbol), feed, max_age_s)
        self.send(call, self.impersonated(self.world.registry.address))

    def loose_feed(self, symbol: str) -> Contract:
        """Replaces the vault's feed of a token by one that says anything; it starts with the present answer."""
        feed = self.deploy("LooseFeed", 8, round(self.price(symbol) * 1e8), self.now())
        max_age_s = self.book.functions.feedOf(self.address(symbol)).call()[1]
        self.set_feed_of(symbol, feed.address, max_age_s)
        return feed

    def set_feed(self, feed: Contract, answer: int, updated_at: int) -> None:
        self.send(feed.functions.set(answer, updated_at), self.people.stranger)

    def account_implementation(self) -> str:
        """Of which the accounts are clones (EIP-1167)."""
        code = self.w3.eth.get_code(self.w3.to_checksum_address(self.world.account.address))
        return str(self.w3.to_checksum_address(code[10:30]))

    # --------------------------------------------------------------- the chain

    def deploy(self, name: str, *arguments: object) -> Contract:
        compiled = artifact(name)
        factory = self.w3.eth.contract(abi=compiled.abi, bytecode=compiled.bytecode)
        stranger = self.w3.to_checksum_address(self.people.stranger)
        sent = factory.constructor(*arguments).transact({"from": stranger, "gas": GAS})
        receipt = self.w3.eth.wait_for_transaction_receipt(sent, poll_latency=POLL_S)
        return contract_at(self.w3, name, str(receipt["contractAddress"]))

    def now(self) -> int:
        return self.world.now()

    def mine_at(self, timestamp: int) -> None:
        self._request("evm_setNextBlockTimestamp", timestamp)
        self._request("evm_mine")

    def impersonated(self, account: str) -> str:
        self._request("anvil_impersonateAccount", account)
        self._request("anvil_setBalance", account, hex(10**21))
        return account

    def _request(self, method: str, *parameters: Any) -> None:
        self.w3.provider.make_request(RPCEndpoint(method), list(parameters))

    # ------------------------------------------------------------- the market

    def push_pool(self, sold: str, amount: int, bought: str) -> None:
        """A stranger's large trade in the direct pool."""
        stranger, router = self.people.stranger, self.uniswap.router
        self.world.fund(sold, stranger, amount)
        self.send(self.erc20(sold).functions.approve(router, amount), stranger)
        swap = contract_at(self.w3, "SwapRouter02", router).functions.exactInputSingle(
            (self.address(sold), self.address(bought), DIRECT_FEE[bought], stranger, amount, 0, 0)
        )
        self.send(swap, stranger)

    def thiefs_pool(self, symbol: str, quote: str, fee: int, price_factor: float) -> None:
        """A pool of which a stranger owns all liquidity, at a multiple of the market's price."""
        stranger, manager = self.people.stranger, self.uniswap.position_manager
        periphery = contract_at(self.w3, "NonfungiblePositionManager", manager)
        low, high = sorted((symbol, quote), key=lambda name: int(self.address(name), 16))
        prices = {symbol: self.price(symbol) * price_factor, quote: self.price(quote)}
        decimals = {name: self.tokens[name].decimals for name in (low, high)}
        start = sqrt_price_x96(prices[low], prices[high], decimals[low], decimals[high])
        for name in (low, high):
            amount = int(1_000_000 / prices[name] * 10 ** decimals[name])
            self.world.fund(name, stranger, amount)
            self.send(self.erc20(name).functions.approve(manager, amount), stranger)
        call = periphery.functions
        pair = (self.address(low), self.address(high), fee)
        self.send(call.createAndInitializePoolIfNecessary(*pair, start), stranger)
        amounts = [self.balance(name, stranger) for name in (low, high)]
        self.send(
            call.mint((*pair, -WIDEST_TICK, WIDEST_TICK, *amounts, 0, 0, stranger, FAR_FUTURE)), stranger
        )


def scene_on(world: LocalChain) -> Scene:
    """``world`` must be a copy: the timelock is impersonated."""
    accounts = world.deployment.accounts
    people = People(
        admin=world.deployment.contracts["timelock"],
        keeper=accounts["keeper"],
        guardian=accounts["guardian"],
        operations=accounts["operations"],
        depositor=accounts["depositor"],
        stranger=accounts["stranger"],
    )
    scene = Scene(world, people)
    scene.impersonated(people.admin)
    return scene
