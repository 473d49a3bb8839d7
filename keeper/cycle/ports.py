"""What the cycle needs of the world. The edges implement these; nothing in the core knows how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from keeper.domain.evidence import ImpliedReading
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.market import MarketSnapshot, Round
from keeper.domain.pause_state import PauseState
from keeper.domain.plan import Quote, QuoteRequest, RebalancePlan, SimulationReport
from keeper.domain.prices import Candle, Opinion
from keeper.domain.record import CycleInputs, DecisionRecord, HistoryReference, NodeUse
from keeper.domain.tx import InFlight, Payload, Receipt


@dataclass(frozen=True, slots=True)
class Reading:
    """One consistent read: the snapshot, and per symbol the rounds newer than those already known, oldest
    first."""

    snapshot: MarketSnapshot
    new_rounds: Mapping[str, tuple[Round, ...]]


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The vault after a plan was mined: the snapshot, what the vault left approved (raw by symbol), and what each of
    the plan's steps brought in, and took out (raw, empty where the node does not tell)."""

    snapshot: MarketSnapshot
    allowances: Mapping[str, int]
    step_outs: tuple[int, ...]
    step_ins: tuple[int, ...] = ()


class Chain(Protocol):
    """The node, seen through our contracts."""

    @property
    def round_trips(self) -> int:
        """HTTP requests made so far by this object."""
        ...

    @property
    def nodes(self) -> tuple[NodeUse, ...]:
        """What was asked of each node so far."""
        ...

    @property
    def quorum(self) -> int:
        """How many nodes must say the same."""
        ...

    def read(self, known: Mapping[str, int], history_s: int) -> Reading:
        """Everything at the latest block's hash, in at most 3 round trips to each node once ``known`` (symbol to last
        round id) is warm.

        Rounds older than ``history_s`` before the block are not fetched. Raises NodeUnavailable,
        NodeUntrusted, WrongChain.
        """
        ...

    def quote(self, requests: Sequence[QuoteRequest], snapshot: MarketSnapshot) -> tuple[Quote, ...]:
        """QuoterV2 at the snapshot's block, all in one round trip, in the order asked."""
        ...

    def calldata(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> str:
        """The vault call, 0x-hex."""
        ...

    def simulate(self, plan: RebalancePlan, snapshot: MarketSnapshot) -> SimulationReport:
        """The exact calldata on the snapshot's block, and the post-state, in one request."""
        ...

    def read_back(self, plan: RebalancePlan, tx_hash: str) -> ReadBack:
        """What a mined plan left, at the latest block's hash. Raises as ``read``."""
        ...


class Rounds(Protocol):
    """Price rounds already seen, by symbol."""

    def last_known(self) -> Mapping[str, int]:
        """Symbol to the newest stored round id."""
        ...

    def extend(self, new: Mapping[str, tuple[Round, ...]]) -> None:
        """Add rounds; those already known are left as they are. A known id with another answer raises
        JournalCorrupt."""
        ...

    def since(self, timestamp: int) -> Mapping[str, tuple[Round, ...]]:
        """Per symbol the rounds updated at or after ``timestamp``, oldest first."""
        ...

    def references(self, rounds: Mapping[str, tuple[Round, ...]]) -> tuple[HistoryReference, ...]:
        """What a record keeps instead of the rounds themselves."""
        ...


class Bars(Protocol):
    """Price history from elsewhere than the vault's feeds, by symbol."""

    def closes(self, symbols: Sequence[str], since: int) -> Mapping[str, tuple[Candle, ...]]:
        """Per symbol that has any, the bars closed at or after ``since``, oldest first."""
        ...

    def references(self, candles: Mapping[str, tuple[Candle, ...]]) -> tuple[HistoryReference, ...]:
        """What a record keeps instead of the bars themselves."""
        ...


class ImpliedVolatility(Protocol):
    """The option market."""

    def read(self, underlyings: Sequence[str], as_of: int, horizon_s: int) -> tuple[ImpliedReading, ...]:
        """One reading per underlying, known at or before ``as_of``; never raises: a failure is a reading
        without a number."""
        ...


class Opinions(Protocol):
    """Other sources of prices than the vault's feeds and pools."""

    def read(self, symbols: Sequence[str], as_of: int) -> tuple[Opinion, ...]:
        """What each source says of each token at ``as_of``; never raises: a failure is an opinion without a price."""
        ...


class Sender(Protocol):
    """The only part that spends."""

    def settle(self) -> InFlight | None:
        """Finish, or own up to, what was started earlier; None when nothing is in flight. Pauses the keeper where a
        transaction shows that somebody else uses the key, or the chain took back what was final."""
        ...

    def send(self, payload: Payload, *, supersede: bool = False) -> Receipt:
        """Journal, sign, broadcast, wait. ``supersede``: an emergency, which takes over the nonce of an intent that is
        not mined yet. Raises Reverted, OutcomeUnknown, NotAuthorised, JournalUnwritable."""
        ...


class PauseStore(Protocol):
    """What was ordered or used up, in places that survive a restart."""

    def pause_state(self, as_of: int) -> PauseState:
        """Every pause in force, and what the 24 hours before ``as_of`` (the chain's time) used up."""
        ...

    def pause(self, cause: str, reason: str) -> None:
        """From now on, also after a restart, until a person resumes. Raises JournalUnwritable."""
        ...


class Records(Protocol):
    """Where decision records are kept."""

    def append(self, record: DecisionRecord) -> None: ...

    def last_inputs(self) -> CycleInputs | None:
        """What the newest cycle that had any worked with."""
        ...


class ExecutedSwaps(Protocol):
    """Swaps that earlier records tell of."""

    def latest(self, limit: int) -> tuple[ExecutedSwap, ...]:
        """The newest of them, oldest first."""
        ...


class Clock(Protocol):
    """The keeper's own clock; decisions never look at it."""

    def now(self) -> float:
        """Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start, for durations."""
        ...
