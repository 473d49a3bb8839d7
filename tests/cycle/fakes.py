"""A keeper in a world of values: a chain with one snapshot, pools that quote near the oracle price, a clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from keeper.cycle.ports import LineReading, Ports, ReadBack, Reading
from keeper.cycle.run import Keeper
from keeper.domain.errors import KeeperError
from keeper.domain.fire_drill import DrillCheck, DrillTrial
from keeper.domain.information import Acceptance
from keeper.domain.line import Line, LineCall, LineRehearsal
from keeper.domain.market import Block, MarketSnapshot, Round
from keeper.domain.pause_state import DailyUsage, PauseState
from keeper.domain.plan import Quote, QuoteRequest, RebalancePlan, SimulationReport
from keeper.domain.prices import Candle
from keeper.domain.record import DecisionRecord, NodeUse
from keeper.domain.tx import InFlight, OutgoingCall, Payload, Receipt
from tests.factories import (
    NOW,
    a_policy,
    a_reading,
    a_simulation,
    a_snapshot,
    with_vault,
)

QUOTED_BPS = 9_990
"""Of the value at oracle prices."""
FREE = PauseState(pauses=(), usage=DailyUsage(loss=0.0, turnover=0.0, gas_wei=0, failures=0))


def with_rounds(snapshot: MarketSnapshot, rounds: Mapping[str, tuple[Round, ...]]) -> MarketSnapshot:
    """The snapshot with each feed at the newest of its rounds."""
    feeds = [
        replace(feed, round=rounds[feed.symbol][-1]) if feed.symbol in rounds else feed
        for feed in snapshot.feeds
    ]
    return replace(snapshot, feeds=tuple(feeds))


def a_line_reading(**reverts: str) -> LineReading:
    """Deposits and redemptions that collect. ``CLOSE="TooEarly()"``: why a call would revert; others go through."""
    calls = {LineCall.CLOSE: ""} | {LineCall[name]: why for name, why in reverts.items()}
    return LineReading(
        line=Line(NOW, 0, 0, pending_assets=10**9, pending_shares=10**15),
        rehearsal=LineRehearsal(calls, pays_all=True),
        calldata={call: f"0x{call.value.encode().hex()}" for call in calls},
        shares="0x" + "5a" * 20,
        epoch=7,
    )


def quoted(snapshot: MarketSnapshot, request: QuoteRequest) -> Quote:
    first, last = request.route.symbols[0], request.route.symbols[-1]
    worth = request.amount_in * snapshot.price(first) * 10 ** snapshot.token(last).decimals * QUOTED_BPS
    amount_out = worth // (snapshot.price(last) * 10 ** snapshot.token(first).decimals * 10_000)
    return Quote(request.route, request.amount_in, amount_out, 150_000)


@dataclass
class FakeChain:
    """``epochs`` is by how much the vault's epoch moves when a plan is mined. A ``failure`` is raised by ``read``."""

    snapshot: MarketSnapshot
    rounds: Mapping[str, tuple[Round, ...]]
    simulation: SimulationReport = field(default_factory=a_simulation)
    epochs: int = 1
    allowances: Mapping[str, int] = field(default_factory=dict)
    failure: KeeperError | None = None
    drill_failure: KeeperError | None = None
    drill_revert: str = ""
    drills: int = 0
    round_trips: int = 0
    quorum: int = 1
    line: LineReading = field(default_factory=lambda: a_line_reading())
    gas: int = 200_000

    def forget_notes(self) -> None:
        """Nothing is noted."""

    @property
    def nodes(self) -> tuple[NodeUse, ...]:
        return (NodeUse("http://node", self.round_trips, 1_000 * self.round_trips, ""),)

    def read(self, known: Mapping[str, int], history_s: int) -> Reading:
        self.round_trips += 2
        if self.failure is not None:
            raise self.failure
        return Reading(self.snapshot, self.rounds)

    def quote(self, requests: Sequence[QuoteRequest], snapshot: MarketSnapshot) -> tuple[Quote, ...]:
        self.round_trips += 1
        return tuple(quoted(snapshot, request) for request in requests)

    def outgoing(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> OutgoingCall:
        return OutgoingCall(snapshot.vault.rebalancer, "0xca11")

    def simulate(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> SimulationReport:
        self.round_trips += 1
        return self.simulation

    def drill(self, trials: Sequence[DrillTrial], snapshot: MarketSnapshot) -> tuple[DrillCheck, ...]:
        self.round_trips += 1
        self.drills += 1
        if self.drill_failure is not None:
            raise self.drill_failure
        return tuple(DrillCheck(trial.fall, self.drill_revert, trial.recovered_at) for trial in trials)

    def read_line(self, block: Block) -> LineReading:
        assert block == self.snapshot.block
        return self.line

    def line_gas(self, call: LineCall, reading: LineReading) -> int:
        return self.gas

    def read_back(self, plan: RebalancePlan, tx_hash: str) -> ReadBack:
        after = with_vault(a_snapshot(weights=plan.expected.weights), epoch=plan.epoch + self.epochs)
        return ReadBack(after, self.allowances, step_outs=(), step_ins=())


@dataclass
class FakeRounds:
    stored: dict[str, tuple[Round, ...]] = field(default_factory=dict)
    extended: list[Mapping[str, tuple[Round, ...]]] = field(default_factory=list)

    def last_known(self) -> Mapping[str, int]:
        return {}

    def extend(self, new: Mapping[str, tuple[Round, ...]]) -> None:
        self.extended.append(new)
        for symbol, rounds in new.items():
            self.stored.setdefault(symbol, rounds)

    def since(self, timestamp: int) -> Mapping[str, tuple[Round, ...]]:
        return self.stored


@dataclass
class FakeBars:
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def closes(self, symbols: Sequence[str], since: int) -> Mapping[str, tuple[Candle, ...]]:
        self.asked.append(tuple(symbols))
        return {}


@dataclass
class FakeRecords:
    records: list[DecisionRecord] = field(default_factory=list)

    def append(self, record: DecisionRecord) -> None:
        self.records.append(record)

    def last_informed(self) -> DecisionRecord | None:
        return self.records[-1] if self.records else None


@dataclass
class FakeAcceptances:
    accepted: tuple[Acceptance, ...] = ()

    def after(self, number: int) -> tuple[Acceptance, ...]:
        return tuple(acceptance for acceptance in self.accepted if acceptance.number > number)


@dataclass
class FakeSender:
    in_flight: InFlight | None = None
    failure: KeeperError | None = None
    sent: list[tuple[Payload, bool]] = field(default_factory=list)

    def settle(self) -> InFlight | None:
        return self.in_flight

    def send(self, payload: Payload, *, supersede: bool = False) -> Receipt:
        self.sent.append((payload, supersede))
        if self.failure is not None:
            raise self.failure
        return Receipt(
            intent_id="intent",
            tx_hash="0xab",
            block_number=1,
            block_hash="0x01",
            succeeded=True,
            gas_used=1_000_000,
            effective_gas_price_wei=10**9,
            rollup_fee_wei=0,
            nav_before=None,
            nav_after=None,
        )


@dataclass
class FakePauses:
    """The first answer is the one that the decision sees, the last stays."""

    answers: list[PauseState]

    def pause_state(self, as_of: int) -> PauseState:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def pause(self, cause: str, reason: str) -> None:
        raise AssertionError("the cycle pauses nothing itself")


class FakeMarkets:
    """Implied volatility, executed swaps and the clock, which goes on by a second each time it is asked."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def read(self, *_: Any) -> Any:
        return (a_reading("BTC", 0.48), a_reading("ETH", 0.55))

    def latest(self, limit: int) -> Any:
        return ()

    def now(self) -> float:
        return float(NOW)

    def monotonic(self) -> float:
        self.seconds += 1.0
        return self.seconds


def a_keeper(chain: FakeChain, pauses: FakePauses, sender: FakeSender | None, **changes: Any) -> Keeper:
    """``changes`` replace fields of the keeper."""
    markets = FakeMarkets()
    keeper = Keeper(
        policy=a_policy(),
        ports=Ports(
            chain=chain,
            rounds=FakeRounds(),
            bars=FakeBars(),
            implied=markets,
            opinions=None,
            exchange_candles=None,
            executed_swaps=markets,
            pause_store=pauses,
            records=FakeRecords(),
            acceptances=FakeAcceptances(),
            sender=sender,
            clock=markets,
        ),
        code_version="0.1.0",
        settings_hash="hash",
        relays=True,
        compares_clocks=False,
    )
    return replace(keeper, **changes)
