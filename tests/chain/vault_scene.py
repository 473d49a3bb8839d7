"""A vault on the local chain with its people, and the few verbs the vault's tests need."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from web3 import Web3
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractCustomError
from web3.types import RPCEndpoint, TxReceipt

from keeper.chain.admin.transactions import VaultDeployment
from keeper.chain.admin.vault_parameters import PolicyParameters
from keeper.chain.reverts import explain
from keeper.devnet.compile import artifact
from keeper.devnet.transactions import contract_at
from keeper.devnet.uniswap import Uniswap
from keeper.devnet.uniswap_math import sqrt_price_x96
from keeper.domain.market import Token
from keeper.domain.units import BPS, UINT256_MAX, WAD

ALL = UINT256_MAX
SUPPLY, WITHDRAW, BORROW, REPAY, SWAP_EXACT_IN, SWAP_EXACT_OUT = range(6)
FAR_FUTURE = 2**40
WIDEST_TICK = 887_200  # a multiple of every fee tier's spacing but the 0.3 % one's
POLL_S = 0.005
GAS = 9_000_000
GAS_PER_TRANSACTION = 2**24  # EIP-7825
RISKY = ("WBTC", "WETH", "LINK", "UNI")
DIRECT_FEE = {"WBTC": 500, "WETH": 500, "LINK": 3_000, "UNI": 3_000}
ROUTES: dict[str, tuple[str | int, ...]] = {
    "WBTC": ("USDC", 500, "WBTC"),
    "WETH": ("USDC", 500, "WETH"),
    "LINK": ("USDC", 500, "WETH", 3_000, "LINK"),
    "UNI": ("USDC", 500, "WETH", 3_000, "UNI"),
}

Step = tuple[int, str, int, int, bytes]


@dataclass(frozen=True, slots=True)
class People:
    """Accounts unlocked on the node. ``stranger`` has no role and no shares."""

    admin: str
    keeper: str
    guardian: str
    depositor: str
    stranger: str


@dataclass(frozen=True, slots=True)
class Scene:
    w3: Web3
    vault: Contract
    tokens: dict[str, Token]
    people: People
    pool: Contract
    owner: str
    uniswap: Uniswap
    fund: Callable[[str, str, int], None]
    deployment: VaultDeployment

    # ------------------------------------------------------------ transactions

    def send(self, call: ContractFunction, sender: str) -> TxReceipt:
        """Mines it; a revert raises ContractCustomError or ContractLogicError."""
        call.call({"from": sender, "gas": GAS})
        receipt = self.w3.eth.wait_for_transaction_receipt(
            call.transact({"from": sender, "gas": GAS}), poll_latency=POLL_S
        )
        assert receipt["status"] == 1
        return receipt

    def refusal(self, call: ContractFunction, sender: str) -> str:
        """The custom error that the call reverts with, as ``Name(arguments)``."""
        try:
            call.call({"from": sender, "gas": GAS})
        except ContractCustomError as error:
            return re.sub(r"\w+=", "", explain(bytes.fromhex(str(error.data)[2:])))
        raise AssertionError("the call did not revert")

    def refusal_at(self, timestamp: int, call: ContractFunction, sender: str) -> str:
        """As ``refusal``, in a block of that time, which is then undone."""
        snapshot = self.snapshot()
        self.mine_at(timestamp)
        refused = self.refusal(call, sender)
        self.restore(snapshot)
        return refused

    def passes_at(self, timestamp: int, call: ContractFunction, sender: str) -> bool:
        """Whether the call goes through in a block of that time, which is then undone."""
        snapshot = self.snapshot()
        self.mine_at(timestamp)
        call.call({"from": sender, "gas": GAS})
        self.restore(snapshot)
        return True

    def rebalance(self, steps: Sequence[Step], flash: int = 0, **changes: int) -> ContractFunction:
        return self._call("rebalance", steps, flash, **changes)

    def deleverage(self, steps: Sequence[Step], flash: int = 0, **changes: int) -> ContractFunction:
        return self._call("deleverage", steps, flash, **changes)

    def ripcord(self, steps: Sequence[Step], flash: int = 0, **changes: int) -> ContractFunction:
        return self._call("ripcord", steps, flash, **changes)

    def _call(
        self,
        name: str,
        steps: Sequence[Step],
        flash: int,
        epoch: int | None = None,
        deadline: int = FAR_FUTURE,
    ) -> ContractFunction:
        expected = self.read.epoch().call() if epoch is None else epoch
        return self.vault.functions[name](expected, deadline, flash, steps)

    @property
    def read(self) -> Any:
        return self.vault.functions

    # ------------------------------------------------------------------ steps

    def supply(self, symbol: str, amount: int = ALL) -> Step:
        return (SUPPLY, self.tokens[symbol].address, amount, 0, b"")

    def withdraw(self, symbol: str, amount: int = ALL) -> Step:
        return (WITHDRAW, self.tokens[symbol].address, amount, 0, b"")

    def borrow(self, amount: int) -> Step:
        return (BORROW, self.tokens["USDC"].address, amount, 0, b"")

    def repay(self, amount: int = ALL) -> Step:
        return (REPAY, self.tokens["USDC"].address, amount, 0, b"")

    def sell(self, amount: int, *route: str | int, at_least: int = 0) -> Step:
        """Exact input along symbol, fee, symbol, …"""
        return (SWAP_EXACT_IN, self.tokens[str(route[0])].address, amount, at_least, self.path(*route))

    def buy(self, amount: int, *route: str | int, at_most: int = ALL) -> Step:
        """Exact output; the route begins with what is bought, as Uniswap wants it."""
        return (SWAP_EXACT_OUT, self.tokens[str(route[0])].address, amount, at_most, self.path(*route))

    def path(self, *route: str | int) -> bytes:
        return b"".join(
            entry.to_bytes(3, "big") if isinstance(entry, int) else bytes.fromhex(self.address(entry)[2:])
            for entry in route
        )

    def address(self, symbol_or_address: str) -> str:
        token = self.tokens.get(symbol_or_address)
        return symbol_or_address if token is None else token.address

    # ------------------------------------------------------------------ plans

    def levering(self, leverage: float, symbols: tuple[str, ...] = RISKY) -> tuple[list[Step], int]:
        """Steps and flash amount that spend all idle cash and ``leverage - 1`` times it on equal parts of collateral."""
        cash = self.balance("USDC")
        flash = int(cash * (leverage - 1))
        part = (cash + flash) // len(symbols)
        steps: list[Step] = []
        for symbol in symbols:
            steps += [self.sell(part, *ROUTES[symbol]), self.supply(symbol)]
        if flash:
            steps.append(self.borrow(flash + self.premium(flash)))
        return steps, flash

    def lever(self, leverage: float = 1.8, symbols: tuple[str, ...] = RISKY) -> TxReceipt:
        steps, flash = self.levering(leverage, symbols)
        return self.send(self.rebalance(steps, flash), self.people.keeper)

    def lowering(self, usdc: int, symbol: str = "WETH", spare: float = 1.02) -> tuple[list[Step], int]:
        """Steps and flash amount that repay ``usdc`` of debt out of one collateral."""
        token = self.tokens[symbol]
        price = self.price(symbol) / self.price("USDC")
        worth = int((usdc + self.premium(usdc)) * spare / price * 10 ** (token.decimals - 6))
        steps = [
            self.repay(usdc),
            self.withdraw(symbol, worth),
            self.sell(worth, *reversed(ROUTES[symbol])),
        ]
        return steps, usdc

    def premium(self, flash: int) -> int:
        bps = self.pool.functions.FLASHLOAN_PREMIUM_TOTAL().call()
        return int(-(-flash * bps // 10_000))

    def shifting(self, usdc: int) -> tuple[list[Step], int]:
        """Steps that move that much from ether to bitcoin while all four assets are held."""
        price = self.price("WETH") / self.price("USDC")
        amount = int(usdc / price * 10**12)
        return [
            self.withdraw("WETH", amount),
            self.sell(amount, "WETH", 500, "USDC"),
            self.sell(ALL, "USDC", 500, "WBTC"),
            self.supply("WBTC"),
        ], 0

    # ------------------------------------------------------------ depositors

    def deposit(self, amount: int, account: str | None = None) -> TxReceipt:
        """Raw USDC. The depositor's own is given to them; others bring theirs."""
        depositor = self.people.depositor if account is None else account
        if account is None:
            self.fund("USDC", depositor, amount)
        self.send(self.erc20("USDC").functions.approve(self.vault.address, ALL), depositor)
        return self.send(self.read.deposit(amount, depositor), depositor)

    def shares(self, account: str | None = None) -> int:
        holder = self.people.depositor if account is None else account
        return int(self.read.balanceOf(holder).call())

    # ------------------------------------------------------------------ state

    def balance(self, symbol: str, account: str | None = None) -> int:
        holder = self.vault.address if account is None else account
        return int(self.erc20(symbol).functions.balanceOf(holder).call())

    def erc20(self, symbol_or_address: str) -> Contract:
        return contract_at(self.w3, "ERC20", self.address(symbol_or_address))

    def price(self, symbol: str) -> float:
        """By the vault's feed, USD."""
        config = next(entry for entry in self.read.assets().call() if entry[0] == self.tokens[symbol].address)
        feed = contract_at(self.w3, "LooseFeed", config[1])
        return float(feed.functions.latestRoundData().call()[1]) / 1e8

    def policy(self) -> PolicyParameters:
        return PolicyParameters(*self.read.policy().call())

    def policy_change(self, **changes: int) -> ContractFunction:
        changed = replace(self.policy(), **changes)
        values = tuple(getattr(changed, field.name) for field in fields(PolicyParameters))
        return self.vault.functions.setPolicy(values)

    def set_policy(self, **changes: int) -> None:
        self.send(self.policy_change(**changes), self.people.admin)

    def wide_limits(self) -> None:
        """So wide that nothing but the limit under test can refuse."""
        self.set_policy(
            min_health_factor=102 * WAD // 100,
            max_leverage=10 * WAD,
            ripcord_health_factor=WAD,
            min_interval=0,
            max_loss_bps=BPS,
            max_daily_loss_bps=BPS,
            max_daily_turnover_bps=2**32 - 1,
            max_oracle_gap_bps=BPS,
        )

    def arm_ripcord(self) -> int:
        """Raises the threshold just above the present health factor, which is returned."""
        factor = self.health_factor()
        self.set_policy(
            min_health_factor=3 * factor,
            ripcord_health_factor=2 * factor,
            ripcord_target_health_factor=3 * factor,
        )
        return factor

    def set_asset(self, symbol: str, **changes: object) -> None:
        """Changes an entry of the allowlist: feed, max_age, max_weight_bps, enabled."""
        names = ("token", "feed", "max_age", "max_weight_bps", "enabled")
        address = self.tokens[symbol].address
        config = next(entry for entry in self.read.assets().call() if entry[0] == address)
        values = {**dict(zip(names, config, strict=True)), **changes}
        self.send(self.read.setAsset(tuple(values[name] for name in names)), self.people.admin)

    def loose_feed(self, symbol: str, decimals: int = 8) -> Contract:
        """Replaces the vault's feed of a token by one that says anything; it starts with the present answer."""
        now = self.now()
        feed = self.deploy("LooseFeed", decimals, round(self.price(symbol) * 1e8), now)
        self.set_asset(symbol, feed=feed.address)
        return feed

    def set_feed(self, feed: Contract, answer: int, updated_at: int) -> None:
        self.send(feed.functions.set(answer, updated_at), self.people.stranger)

    def deploy(self, name: str, *arguments: object) -> Contract:
        compiled = artifact(name)
        factory = self.w3.eth.contract(abi=compiled.abi, bytecode=compiled.bytecode)
        sent = factory.constructor(*arguments).transact({"from": self.people.stranger, "gas": GAS})
        receipt = self.w3.eth.wait_for_transaction_receipt(sent, poll_latency=POLL_S)
        return contract_at(self.w3, name, str(receipt["contractAddress"]))

    def now(self) -> int:
        return int(self.w3.eth.get_block("latest")["timestamp"])

    def snapshot(self) -> str:
        return str(self.w3.provider.make_request(RPCEndpoint("evm_snapshot"), [])["result"])

    def restore(self, snapshot: str) -> None:
        assert self.w3.provider.make_request(RPCEndpoint("evm_revert"), [snapshot])["result"]

    def mine_at(self, timestamp: int) -> None:
        self.w3.provider.make_request(RPCEndpoint("evm_setNextBlockTimestamp"), [timestamp])
        self.w3.provider.make_request(RPCEndpoint("evm_mine"), [])

    def wait(self, seconds: int) -> None:
        """Lets chain time pass and mines a block."""
        self.w3.provider.make_request(RPCEndpoint("evm_increaseTime"), [seconds])
        self.w3.provider.make_request(RPCEndpoint("evm_mine"), [])

    def nav(self) -> int:
        """USD, 8 decimals."""
        return int(self.read.position().call()[0])

    def leverage(self) -> int:
        return int(self.read.position().call()[3])

    def health_factor(self) -> int:
        return int(self.read.position().call()[4])

    def worth(self, symbol: str) -> float:
        """Of what the vault holds of a token, idle and supplied, USD."""
        a_token = self.pool.functions.getReserveAToken(self.tokens[symbol].address).call()
        amount = self.balance(symbol) + self.erc20(a_token).functions.balanceOf(self.vault.address).call()
        return float(amount * self.price(symbol) / 10 ** self.tokens[symbol].decimals)

    def collateral_usd(self) -> float:
        """What the lending pool counts as the vault's collateral."""
        return float(self.pool.functions.getUserAccountData(self.vault.address).call()[0] / 1e8)

    def debt(self) -> int:
        token = self.pool.functions.getReserveVariableDebtToken(self.tokens["USDC"].address).call()
        return int(self.erc20(token).functions.balanceOf(self.vault.address).call())

    # ------------------------------------------------------------- the market

    def refresh_feeds(self) -> None:
        """Every feed repeats its price in a new round of the present time."""
        for token, feed, *_ in self.read.assets().call():
            symbol = next(name for name, known in self.tokens.items() if known.address == token)
            push = contract_at(self.w3, "RoundFeed", feed).get_function_by_signature("push(int256,uint256)")
            self.send(push(round(self.price(symbol) * 1e8), self.now()), self.owner)

    def push_pool(self, sold: str, amount: int, bought: str) -> None:
        """A stranger's large trade in the direct pool."""
        stranger, router = self.people.stranger, self.read.swapRouter().call()
        self.fund(sold, stranger, amount)
        self.send(self.erc20(sold).functions.approve(router, amount), stranger)
        swap = self.w3.eth.contract(
            address=router, abi=artifact("SwapRouter02").abi
        ).functions.exactInputSingle(
            (self.address(sold), self.address(bought), DIRECT_FEE[bought], stranger, amount, 0, 0)
        )
        self.send(swap, stranger)

    def thiefs_pool(self, symbol: str, quote: str, fee: int, price_factor: float) -> None:
        """A pool of which a stranger owns all liquidity, at a multiple of the market's price."""
        stranger, manager = self.people.stranger, self.uniswap.position_manager
        periphery = self.w3.eth.contract(address=manager, abi=artifact("NonfungiblePositionManager").abi)
        low, high = sorted((symbol, quote), key=lambda name: int(self.address(name), 16))
        prices = {symbol: self.price(symbol) * price_factor, quote: self.price(quote)}
        decimals = {name: self.tokens[name].decimals for name in (low, high)}
        start = sqrt_price_x96(prices[low], prices[high], decimals[low], decimals[high])
        for name in (low, high):
            amount = int(1_000_000 / prices[name] * 10 ** decimals[name])
            self.fund(name, stranger, amount)
            self.send(self.erc20(name).functions.approve(manager, amount), stranger)
        call = periphery.functions
        pair = (self.address(low), self.address(high), fee)
        self.send(call.createAndInitializePoolIfNecessary(*pair, start), stranger)
        amounts = [self.balance(name, stranger) for name in (low, high)]
        self.send(
            call.mint((*pair, -WIDEST_TICK, WIDEST_TICK, *amounts, 0, 0, stranger, FAR_FUTURE)), stranger
        )

    def replace_code(self, symbol: str, name: str) -> Contract:
        """The token keeps its address and storage and from now on runs another contract's code."""
        code = self.w3.eth.get_code(self.deploy(name).address)
        self.w3.provider.make_request(RPCEndpoint("anvil_setCode"), [self.address(symbol), code.to_0x_hex()])
        return contract_at(self.w3, name, self.address(symbol))

    def impersonate(self, account: str) -> None:
        self.w3.provider.make_request(RPCEndpoint("anvil_impersonateAccount"), [account])
