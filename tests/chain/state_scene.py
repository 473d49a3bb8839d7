"""Random states put onto the local chain with its real contracts, and plans carried out there, looked at closely."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from web3.contract import Contract

from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.client import Rpc
from keeper.devnet.local_chain import BASE_FEE_WEI, LocalChain
from keeper.devnet.transactions import GAS, contract_at
from keeper.domain.decision import Action, Decision
from keeper.domain.market import MarketSnapshot
from keeper.domain.plan import PostState, RebalancePlan, SimulationReport
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS
from keeper.domain.urgency import Urgency
from tests.chain.health_on_the_way import health_factors
from tests.chain.random_states import (
    State,
    Trouble,
    borrowable,
    cut_to_limits,
    goal_within_limits,
    kept_in_emergency,
)
from tests.chain.vault_scene import POLL_S, RISKY
from tests.planning.ledger import a_decision
from tests.servers.raw_request import raw_request

VARIABLE_RATE = 2
STRANGERS_USD = 2e9
MINED_AFTER_S = 36
LEFT_TO_LEND = 50
"""A reserve all but lent out has one part in so many left of what it had."""
KNOWN = dict.fromkeys(RISKY, 2**80)  # as if every round were known: nothing of the history is read

Call = tuple[str, Contract, str, list[Any]]


@dataclass(frozen=True, slots=True)
class Execution:
    """A plan's transaction. ``report`` is as if the simulation had said it; ``health_factors`` are those after every
    movement that the lending pool's events tell of, in order; ``allowances`` what the vault left approved."""

    report: SimulationReport
    health_factors: tuple[float, ...]
    allowances: dict[str, int]
    after: MarketSnapshot | None


@dataclass(frozen=True, slots=True)
class Stage:
    """A chain to put states on: ``open`` it once, then ``put`` each state on a snapshot of it."""

    world: LocalChain
    node: ChainReader
    rpc: Rpc

    def open(self) -> None:
        """The vault's portfolio can be acted for, and the market's owner has every token."""
        world = self.world
        portfolio_ = world.portfolio.address
        for account in (portfolio_, world.owner, self._account("stranger"), self._account("keeper")):
            self.rpc.request(raw_request("anvil_setBalance", [account, hex(10**28)]))
        self.rpc.request(raw_request("anvil_impersonateAccount", [portfolio_]))
        world.fund("WETH", world.owner, 10**25)
        world.refresh_feeds()

    def lift_supply_caps(self) -> None:
        """So that a vault of any size can be built."""
        admin = self._configurator()
        self._do(
            [(self.world.owner, admin, "setSupplyCap", [self._token(symbol).address, 0]) for symbol in RISKY]
        )

    def move_prices(self, factors: Sequence[float]) -> None:
        for symbol, factor in zip(RISKY, factors, strict=True):
            if factor != 1.0:
                self.world.set_price(symbol, self.world.spot(symbol) * factor)

    # ------------------------------------------------------------- one state

    def put(self, state: State) -> MarketSnapshot:
        """The vault has the state's holdings and debt, the lending market its troubles. Base fee: ``BASE_FEE_WEI``."""
        before = self.read()
        state = borrowable(state, tuple(before.reserve(symbol).ltv_bps / BPS for symbol in RISKY))
        self._do(self._build_up(state, before))
        for symbol, trouble in state.troubles:
            self._do(self._make(trouble, symbol, self.read()))
        return self.read()

    def decision(self, state: State, snapshot: MarketSnapshot, policy: Policy) -> Decision:
        held = portfolio(snapshot)
        if state.ripcord is not None and held.debt_usd > 100.0:
            kept = max(state.ripcord, kept_in_emergency(snapshot))
            lowered = tuple(kept * weight for weight in held.weights)
            lowered = cut_to_limits(held.weights, lowered, snapshot, lowering=True)
            return a_decision(snapshot, lowered, Action.RIPCORD, Urgency.EMERGENCY)
        return a_decision(snapshot, goal_within_limits(state.wanted, snapshot, policy))

    def execute(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> Execution:
        """Sends it as the keeper; it is mined ``MINED_AFTER_S`` after what was seen, and interest runs on until then."""
        self.rpc.send(raw_request("evm_setNextBlockTimestamp", [snapshot.block.timestamp + MINED_AFTER_S]))
        sent = {
            "from": snapshot.keeper_address,
            "to": self.world.rebalancer.address,
            "data": self.node.outgoing(plan, snapshot).calldata,
            "gas": hex(GAS),
        }
        receipt = self.receipts([sent])[0]
        gas = int(receipt["gasUsed"], 16)
        if receipt["status"] != "0x1":
            why = self.node.simulate(plan, snapshot).revert or "what the simulation does not see"
            return Execution(
                SimulationReport(False, why, gas, None, "sent", l1_fee_wei=0, step_outs=(), step_ins=()),
                (),
                {},
                None,
            )
        after = self.read()
        held = portfolio(after)
        post = PostState(held.nav_usd, held.leverage, held.health_factor, held.weights)
        return Execution(
            report=SimulationReport(True, None, gas, post, "sent", l1_fee_wei=0, step_outs=(), step_ins=()),
            health_factors=health_factors(receipt["logs"], snapshot, self.world),
            allowances=self.node.allowances(after),
            after=after,
        )

    def read(self) -> MarketSnapshot:
        snapshot = self.node.read(KNOWN, 0).snapshot
        return replace(snapshot, block=replace(snapshot.block, base_fee_wei=BASE_FEE_WEI))

    # ------------------------------------------------------------ building up

    def _build_up(self, state: State, before: MarketSnapshot) -> list[Call]:
        world, account, vault = self.world, self.world.account, self.world.portfolio.address
        calls: list[Call] = []
        for symbol, weight, donated in zip(RISKY, state.weights, state.donated_usd, strict=True):
            unit = 10 ** before.token(symbol).decimals / before.price(symbol) * 1e8
            supplied, left = int(weight * state.nav_usd * unit), int(donated * unit)
            if left:
                calls.append(self._give(symbol, vault, left))
            if supplied:
                token = self._token(symbol)
                calls.append(self._give(symbol, account.address, supplied))
                calls.append((vault, account, "supply", [token.address, supplied]))
        balance = 1.0 - sum(state.weights)
        cash = max(balance, state.cash) * state.nav_usd
        debt = int((cash - balance * state.nav_usd) * 10**6)
        usdc = self._token("USDC")
        if debt > 10**6:
            calls.append((vault, account, "borrow", [usdc.address, debt]))
        else:
            debt = 0
        idle = before.holdings[0].idle + debt
        wanted = int(cash * 10**6)
        if wanted > idle:
            calls.append((world.owner, usdc, "mint", [vault, wanted - idle]))
        elif wanted < idle:
            calls.append((vault, usdc, "transfer", [self._account("stranger"), idle - wanted]))
        return calls

    def _make(self, trouble: Trouble, symbol: str, snapshot: MarketSnapshot) -> list[Call]:
        owner, token, admin = self.world.owner, self._token(symbol).address, self._configurator()
        reserve, unit = snapshot.reserve(symbol), 10 ** snapshot.token(symbol).decimals
        if trouble is Trouble.FROZEN:
            return [(owner, admin, "setReserveFreeze", [token, True])]
        if trouble is Trouble.LTV_ZERO:
            return [(owner, admin, "setReserveLtvzero", [token, True])]
        if trouble is Trouble.SUPPLY_CAPPED:
            return [(owner, admin, "setSupplyCap", [token, max(1, reserve.supplied // unit)])]
        if trouble is Trouble.BORROW_CAPPED:
            return [(owner, admin, "setBorrowCap", [token, max(1, reserve.borrowed // unit)])]
        if trouble is Trouble.NO_FLASH_LOAN:
            return [(owner, admin, "setReserveFlashLoaning", [token, False])]
        return self._lend_out(symbol, snapshot)

    def _lend_out(self, symbol: str, snapshot: MarketSnapshot) -> list[Call]:
        """A stranger borrows it against something else."""
        stranger, pool, admin = self._account("stranger"), self.world.pool, self._configurator()
        other = "WBTC" if symbol == "USDC" else "USDC"
        token, collateral = self._token(symbol).address, self._token(other)
        amount = int(STRANGERS_USD / snapshot.price(other) * 1e8) * 10 ** snapshot.token(other).decimals
        free = snapshot.reserve(symbol).available
        return [
            (self.world.owner, admin, "setSupplyCap", [collateral.address, 0]),
            (self.world.owner, admin, "setBorrowCap", [token, 0]),
            (self.world.owner, collateral, "mint", [stranger, amount]),
            (stranger, collateral, "approve", [pool.address, amount]),
            (stranger, pool, "supply", [collateral.address, amount, stranger, 0]),
            (stranger, pool, "borrow", [token, free - free // LEFT_TO_LEND, VARIABLE_RATE, 0, stranger]),
        ]

    def _give(self, symbol: str, account: str, amount: int) -> Call:
        verb = "transfer" if symbol == "WETH" else "mint"
        return (self.world.owner, self._token(symbol), verb, [account, amount])

    # ----------------------------------------------------------- transactions

    def _do(self, calls: Sequence[Call]) -> None:
        receipts = self.receipts(
            [
                {
                    "from": sender,
                    "to": to.address,
                    "data": to.encode_abi(name, args=arguments),
                    "gas": hex(GAS),
                }
                for sender, to, name, arguments in calls
            ]
        )
        failed = [
            call[2:] for call, receipt in zip(calls, receipts, strict=True) if receipt["status"] != "0x1"
        ]
        assert not failed, failed

    def receipts(self, transactions: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
        if not transactions:
            return []
        hashes = [self.rpc.send(raw_request("eth_sendTransaction", [one])) for one in transactions]
        self.world.w3.eth.wait_for_transaction_receipt(hashes[-1], poll_latency=POLL_S)
        return self.rpc.batch([raw_request("eth_getTransactionReceipt", [one]) for one in hashes])

    # --------------------------------------------------------------- contracts

    def _account(self, name: str) -> str:
        return str(self.world.w3.to_checksum_address(self.world.deployment.accounts[name]))

    def _token(self, symbol: str) -> Contract:
        name = "WETH9" if symbol == "WETH" else "TestToken"
        return contract_at(self.world.w3, name, self.world.deployment.tokens[symbol].address)

    def _configurator(self) -> Contract:
        told = self.world.deployment.contracts["aave_addresses_provider"]
        provider = contract_at(self.world.w3, "PoolAddressesProvider", told)
        address = provider.functions.getPoolConfigurator().call()
        return contract_at(self.world.w3, "PoolConfiguratorInstance", address)
