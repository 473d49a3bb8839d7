"""Reads market and vault from the node, and simulates calls: the implementation of ports.Chain."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from eth_utils.address import to_checksum_address

from keeper.chain import feed_rounds, quote
from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import vault
from keeper.chain.deployed import Deployment, ReadingScope
from keeper.chain.deployment import discover
from keeper.chain.emode_options import categories
from keeper.chain.fire_drill import DrillGround
from keeper.chain.request_line import LineReader
from keeper.chain.role_probes import lets_keeper_act
from keeper.chain.rpc.blocks import latest_block
from keeper.chain.rpc.multicall import Multicall
from keeper.chain.rpc.reads import Reads
from keeper.chain.simulate import SimulationOrder, Simulator
from keeper.chain.snapshot import SnapshotReader
from keeper.chain.steps import encoded_call, step_amounts
from keeper.cycle.ports import LineReading, ReadBack, Reading
from keeper.domain.errors import KeeperError
from keeper.domain.fire_drill import DrillCheck, DrillTrial
from keeper.domain.line import LineCall
from keeper.domain.market import Block, MarketSnapshot, Round
from keeper.domain.plan import Quote, QuoteRequest, RebalancePlan, SimulationReport
from keeper.domain.record import NodeUse
from keeper.domain.tx import OutgoingCall
from keeper.jsonrpc import requests as ask
from keeper.sizing.categories import EModeCategories


class ChainReader:
    """``progress`` receives a line about what a long read does.

    The deployment is discovered at the first read (or by ``discover``), and again when the vault's lists, the
    oracle or the eMode change. Where only the feed that prices gas changes, the next read discovers it again.
    """

    def __init__(
        self, rpc: Reads, scope: ReadingScope, progress: Callable[[str], None] | None = None
    ) -> None:
        self._rpc = rpc
        self._scope = scope
        self._keeper = to_checksum_address(scope.keeper)
        self._progress = progress if progress is not None else _silently
        self._multicall = Multicall(rpc, scope.addresses.multicall)
        self._deployment: Deployment | None = None
        self._prices_gas = True
        self._simulation_order = SimulationOrder()

    @property
    def round_trips(self) -> int:
        return self._rpc.round_trips

    @property
    def nodes(self) -> tuple[NodeUse, ...]:
        return self._rpc.uses

    @property
    def quorum(self) -> int:
        return self._rpc.quorum

    def forget_notes(self) -> None:
        """ports.Chain.forget_notes."""
        self._rpc.forget_notes()

    def discover(self) -> Deployment:
        """Reads the addresses of all contracts again.

        Raises WrongChain, WrongContract, InvalidSetting, NodeUnavailable, NodeUntrusted.
        """
        _, self._deployment = discover(self._rpc, self._scope, self._progress)
        self._prices_gas = True
        return self._deployment

    def deployment(self) -> Deployment:
        """As it was discovered last. Raises as ``discover``."""
        return self._deployment if self._deployment is not None else self.discover()

    def known_deployment(self) -> Deployment | None:
        """As it was discovered last, None before. It asks no node."""
        return self._deployment

    def read(self, known: Mapping[str, int], history_s: int) -> Reading:
        """ports.Chain.read; rounds of the risk assets only. The first read also discovers the deployment."""
        if not self._prices_gas:
            # A discovery that fails must not stop a cycle that the known contracts are enough for.
            with suppress(KeeperError):
                self.discover()
        reader = self._reader(self.deployment())
        block = latest_block(self._rpc, self._scope.chain_id)
        answers = self._multicall.read(reader.calls(), block.hash)
        if not reader.still_valid(answers):
            reader, block, answers = self._read_again()
        self._prices_gas = reader.prices_gas(answers)
        snapshot = reader.snapshot(block, answers)
        if snapshot.acts_as and snapshot.keeper_has_role:
            in_role = lets_keeper_act(self._rpc, reader.deployment, key=self._keeper, block=block)
            snapshot = replace(snapshot, keeper_has_role=in_role)
        new_rounds = self._missing_rounds(snapshot, known, history_s)
        return Reading(snapshot=snapshot, new_rounds=new_rounds)

    def allowances(self, snapshot: MarketSnapshot) -> dict[str, int]:
        """Approvals of the account for the lending pool, raw by symbol, without zeros."""
        calls = _allowances(self.deployment())
        return _nonzero(calls, self._multicall.read(list(calls.values()), snapshot.block.hash))

    def categories(self, snapshot: MarketSnapshot) -> EModeCategories:
        """The lending market's categories of collateral. Raises NodeUnavailable, NodeUntrusted."""
        return categories(self._multicall, self.deployment(), snapshot.block.hash)

    def read_back(self, plan: RebalancePlan, tx_hash: str) -> ReadBack:
        """ports.Chain.read_back."""
        deployment = self.deployment()
        reader, calls = self._reader(deployment), _allowances(deployment)
        block = latest_block(self._rpc, self._scope.chain_id)
        answers = self._multicall.read([*reader.calls(), *calls.values()], block.hash)
        if not reader.still_valid(answers):
            self._deployment = None
        mined = self._rpc.request(ask.receipt(tx_hash))
        outs, ins = step_amounts(deployment.portfolio, plan.steps, mined.logs if mined is not None else ())
        return ReadBack(
            snapshot=reader.snapshot(block, answers),
            allowances=_nonzero(calls, answers),
            step_outs=outs,
            step_ins=ins,
        )

    def quote(self, requests: Sequence[QuoteRequest], snapshot: MarketSnapshot) -> tuple[Quote, ...]:
        """ports.Chain.quote."""
        return quote.quotes(
            self._multicall, self._scope.addresses.quoter, self.deployment(), requests, snapshot.block
        )

    def outgoing(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> OutgoingCall:
        """ports.Chain.outgoing."""
        return self.deployment().outgoing(encoded_call(plan, snapshot))

    def simulate(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> SimulationReport:
        """ports.Chain.simulate."""
        simulator = Simulator(
            self._rpc,
            self._scope.addresses.multicall,
            self.deployment(),
            order=self._simulation_order,
            progress=self._progress,
        )
        return simulator.run(plan, snapshot)

    def drill(self, trials: Sequence[DrillTrial], snapshot: MarketSnapshot) -> tuple[DrillCheck, ...]:
        """ports.Chain.drill."""
        return DrillGround(self._rpc, self.deployment()).tried(trials, snapshot)

    def read_line(self, block: Block) -> LineReading:
        """ports.RequestLine.read_line."""
        return LineReader(self._rpc, self._multicall, self.deployment()).read(block)

    def line_gas(self, call: LineCall, reading: LineReading) -> int:
        """ports.RequestLine.line_gas."""
        return LineReader(self._rpc, self._multicall, self.deployment()).gas(
            call, reading, sender=self._keeper
        )

    # ------------------------------------------------------------------ inside

    def _reader(self, deployment: Deployment) -> SnapshotReader:
        return SnapshotReader(
            deployment, self._multicall, self._keeper, twap_window_s=self._scope.twap_window_s
        )

    def _read_again(self) -> tuple[SnapshotReader, Block, Answers]:
        self._progress("the configuration of vault or market changed: reading it again")
        reader = self._reader(self.discover())
        block = latest_block(self._rpc, self._scope.chain_id)
        answers = self._multicall.read(reader.calls(), block.hash)
        if not reader.still_valid(answers):
            raise answers.untrusted(
                "the vault's configuration changed twice while it was being read",
                remedy="If it happens again, the node mixes states: use another node.",
            )
        return reader, block, answers

    def _missing_rounds(
        self, snapshot: MarketSnapshot, known: Mapping[str, int], history_s: int
    ) -> Mapping[str, tuple[Round, ...]]:
        missing = {
            reading.symbol: feed_rounds.MissingRounds(reading.feed, reading.round, known.get(reading.symbol))
            for reading in snapshot.feeds[1:]
            if reading.round.round_id
        }
        rounds_by_symbol = feed_rounds.fetch(
            self._multicall, snapshot.block, missing, history_s, self._progress
        )
        return {symbol: rounds_by_symbol.get(symbol, ()) for symbol in snapshot.risk_symbols}


def _allowances(deployment: Deployment) -> dict[str, Call[int]]:
    """Per symbol the call that reads what the first account has approved for the lending pool, and per symbol and place
    what another has approved for its venue. Nothing else is ever approved."""
    calls = {
        listing.token.symbol: vault.allowance(listing.token.address, deployment.account, deployment.pool)
        for listing in deployment.listings
    }
    for other in deployment.others:
        spender = deployment.pool if other.market is None else other.market.morpho
        for listing in deployment.listings:
            name = f"{listing.token.symbol} by account {other.place}"
            calls[name] = vault.allowance(listing.token.address, other.address, spender)
    return calls


def _nonzero(calls: Mapping[str, Call[int]], answers: Answers) -> dict[str, int]:
    return {symbol: amount for symbol, call in calls.items() if (amount := answers.of(call))}


def _silently(_: str) -> None:
    return None
