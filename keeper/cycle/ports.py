"""The outside world as a cycle needs it: protocols that the edges implement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.evidence import ImpliedReading
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.fire_drill import DrillCheck, DrillTrial
from keeper.domain.information import Acceptance
from keeper.domain.line import Line, LineCall, LineRehearsal
from keeper.domain.market import Block, MarketSnapshot, Round
from keeper.domain.pause_state import PauseState
from keeper.domain.plan import Quote, QuoteRequest, RebalancePlan, SimulationReport
from keeper.domain.prices import Candle, Opinion
from keeper.domain.record import DecisionRecord, NodeUse
from keeper.domain.tx import InFlight, OutgoingCall, Payload, Receipt


@dataclass(frozen=True, slots=True)
class Reading:
    """One consistent read: the snapshot, and by symbol the rounds that were not known yet, oldest first."""

    snapshot: MarketSnapshot
    new_rounds: Mapping[str, tuple[Round, ...]]


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The vault after a plan was mined. ``allowances`` are those that the vault left approved, raw by symbol.

    ``step_outs`` and ``step_ins`` are what each step brought in and took out, raw; empty where the node does not
    report it."""

    snapshot: MarketSnapshot
    allowances: Mapping[str, int]
    step_outs: tuple[int, ...]
    step_ins: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LineReading:
    """The line of requests at one block. ``calldata`` is 0x-hex, of the calls that were tried; ``shares`` takes them.
    ``epoch`` is the vault's."""

    line: Line
    rehearsal: LineRehearsal
    calldata: Mapping[LineCall, str]
    shares: str
    epoch: int


class RequestLine(Protocol):
    """The line of requests on chain."""

    def read_line(self, block: Block) -> LineReading:
        """At the block. Raises NodeUnavailable, NodeUntrusted."""
        ...

    def line_gas(self, call: LineCall, reading: LineReading) -> int:
        """Gas of the call on the newest block. Raises RpcError where it reverts there by now, else as ``read_line``."""
        ...


class Chain(RequestLine, Protocol):
    """The vault and its markets on chain."""

    @property
    def round_trips(self) -> int:
        """HTTP requests made so far by this object."""
        ...

    @property
    def nodes(self) -> tuple[NodeUse, ...]:
        """The traffic with each node so far."""
        ...

    @property
    def quorum(self) -> int:
        """The number of nodes that must agree."""
        ...

    def forget_notes(self) -> None:
        """The record has what was noted about the nodes. The next cycle begins without it."""
        ...

    def read(self, known: Mapping[str, int], history_s: int) -> Reading:
        """Everything at the latest block's hash. ``known`` is the last stored round id by symbol.

        If ``known`` is complete, this takes at most 3 round trips to each node. Rounds older than ``history_s`` before
        the block are not fetched. Raises NodeUnavailable, NodeUntrusted, WrongChain.
        """
        ...

    def quote(self, requests: Sequence[QuoteRequest], snapshot: MarketSnapshot) -> tuple[Quote, ...]:
        """Quotes of QuoterV2 at the snapshot's block in one round trip, in the order of the requests."""
        ...

    def outgoing(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> OutgoingCall:
        """The vault call as the key sends it."""
        ...

    def simulate(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> SimulationReport:
        """Runs the exact calldata on the snapshot's block and reads the post-state, in one request."""
        ...

    def drill(self, trials: Sequence[DrillTrial], snapshot: MarketSnapshot) -> tuple[DrillCheck, ...]:
        """Runs each trial's call on the snapshot's block with its fall in place, in one round trip, in their order.
        Raises SimulationFailed, RpcError and other errors of nodes where they cannot."""
        ...

    def read_back(self, plan: RebalancePlan, tx_hash: str) -> ReadBack:
        """The state after a mined plan, at the latest block's hash. Raises as ``read``."""
        ...


class Rounds(Protocol):
    """The stored price rounds, by symbol."""

    def last_known(self) -> Mapping[str, int]:
        """Symbol to the newest stored round id."""
        ...

    def extend(self, new: Mapping[str, tuple[Round, ...]]) -> None:
        """Stores new rounds; known ones stay as they are. Raises JournalCorrupt for a known id with another answer."""
        ...

    def since(self, timestamp: int) -> Mapping[str, tuple[Round, ...]]:
        """By symbol the rounds updated at or after ``timestamp``, oldest first."""
        ...


class Bars(Protocol):
    """The stored price history of other sources than the vault's feeds, by symbol."""

    def closes(self, symbols: Sequence[str], since: int) -> Mapping[str, tuple[Candle, ...]]:
        """By symbol the bars closed at or after ``since``, oldest first. A symbol without bars is left out."""
        ...


class ExchangeCandles(Protocol):
    """The candles of the exchanges that may be asked, kept up to date."""

    def closes(self, symbols: Sequence[str], since: int, as_of: int) -> Mapping[str, tuple[Candle, ...]]:
        """By ``exchange_series`` the candles closed at or after ``since``, oldest first, also those that are fetched
        now. A failure gives fewer candles. Raises JournalUnwritable."""
        ...


class ImpliedVolatility(Protocol):
    """The option market."""

    def read(self, underlyings: Sequence[str], as_of: int, horizon_s: int) -> tuple[ImpliedReading, ...]:
        """One reading per underlying, known at or before ``as_of``. A failure is a reading without a number."""
        ...


class Opinions(Protocol):
    """Sources of prices besides the vault's feeds and pools."""

    def read(self, symbols: Sequence[str], as_of: int) -> tuple[Opinion, ...]:
        """Each source's price of each token at ``as_of``. A failure is an opinion without a price."""
        ...


class Sender(Protocol):
    """The only part that spends."""

    def settle(self) -> InFlight | None:
        """Finishes earlier transactions, or reports the one in flight. None if nothing is in flight.

        Pauses the keeper if a transaction shows that somebody else uses the key, or if the chain reverted a final
        block."""
        ...

    def send(self, payload: Payload, *, supersede: bool = False) -> Receipt:
        """Journals, signs, broadcasts and waits. ``supersede``: take over the nonce of an intent that is not mined yet.
        Raises Reverted, OutcomeUnknown, NotAuthorised, JournalUnwritable."""
        ...


class PauseStore(Protocol):
    """Pauses and daily usage, which survive a restart."""

    def pause_state(self, as_of: int) -> PauseState:
        """The pauses in force, and the usage of the 24 hours before ``as_of`` (the chain's time)."""
        ...

    def pause(self, cause: str, reason: str) -> None:
        """Pauses until a person resumes, also after a restart. Raises JournalUnwritable."""
        ...


class Records(Protocol):
    """The stored decision records."""

    def append(self, record: DecisionRecord) -> None: ...

    def last_informed(self) -> DecisionRecord | None:
        """The newest record of a cycle that read the market: one that has inputs."""
        ...


class Acceptances(Protocol):
    """What a person accepted as missing."""

    def after(self, number: int) -> tuple[Acceptance, ...]:
        """Those with a higher number, oldest first."""
        ...


class ExecutedSwaps(Protocol):
    """The executed swaps of earlier records."""

    def latest(self, limit: int) -> tuple[ExecutedSwap, ...]:
        """The newest ``limit`` swaps, oldest first."""
        ...


class Clock(Protocol):
    """The keeper's own clock. Decisions never use it."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, for durations."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything outside that a cycle works with. ``opinions`` and ``exchange_candles`` are None where no exchange is
    asked, ``sender`` where nothing may be sent."""

    chain: Chain
    rounds: Rounds
    bars: Bars
    implied: ImpliedVolatility
    opinions: Opinions | None
    exchange_candles: ExchangeCandles | None
    executed_swaps: ExecutedSwaps
    pause_store: PauseStore
    records: Records
    acceptances: Acceptances
    sender: Sender | None
    clock: Clock
