"""One cycle, whole: what was seen, what was concluded, what became of it. Replayable offline to the same
bits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.decision import Decision
from keeper.domain.evidence import ImpliedReading
from keeper.domain.executed_swaps import ExecutedSwap, LearnedCost
from keeper.domain.market import MarketSnapshot
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.pause_state import DeleverageRequest, PauseState
from keeper.domain.plan import Check, PlanVerdict, PostState, Quote, RebalancePlan, SimulationReport
from keeper.domain.policy import Policy
from keeper.domain.prices import FeedMemory, Opinion
from keeper.domain.tx import InFlight, Receipt


@dataclass(frozen=True, slots=True)
class HistoryReference:
    """Which stored rounds of an asset, or bars of other sources, the estimate was given: the ``count`` updated (closed)
    from ``since`` to ``until``, by SHA-256."""

    symbol: str
    since: int
    until: int
    count: int
    sha256: str


@dataclass(frozen=True, slots=True)
class CycleInputs:
    """Everything the pure functions were given, the bars by reference. The snapshot's feeds have their verdicts.

    ``candles`` refers to bars of other sources. ``memory`` is what earlier cycles saw of the feeds, ``read_at`` the
    keeper's own clock when the block was read, where the two are compared, ``learned_costs`` what earlier trades cost.
    The fields with a default came later.
    """

    snapshot: MarketSnapshot
    history: tuple[HistoryReference, ...]
    implied: tuple[ImpliedReading, ...]
    in_flight: InFlight | None
    policy: Policy
    quotes: tuple[Quote, ...]
    pause_state: PauseState | None = None
    deleverage_request: DeleverageRequest | None = None
    opinions: tuple[Opinion, ...] = ()
    memory: tuple[FeedMemory, ...] = ()
    read_at: float | None = None
    candles: tuple[HistoryReference, ...] = ()
    learned_costs: tuple[LearnedCost, ...] = ()


@dataclass(frozen=True, slots=True)
class Conclusions:
    """What the pure functions returned; replay must give the same. ``None``: the cycle ended before it."""

    model: RiskModel
    target: TargetPortfolio
    decision: Decision
    plan: RebalancePlan | None


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that ended the cycle: its name, branch exit code, message and remedy."""

    name: str
    exit_code: int
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class NodeUse:
    """What was asked of one node: HTTP requests and bytes of their answers. ``note``: why it was left out of the last
    look, empty when it was not. ``endpoint`` is masked."""

    endpoint: str
    round_trips: int
    bytes_received: int
    note: str = ""


class Mode(StrEnum):
    """SIMULATE writes nothing anywhere; DRY_RUN only journals; EXECUTE and LIVE may send."""

    SIMULATE = "simulate"
    DRY_RUN = "dry-run"
    EXECUTE = "execute"
    LIVE = "live"

    @property
    def sends(self) -> bool:
        return self in (Mode.EXECUTE, Mode.LIVE)


class CycleOutcome(StrEnum):
    """HELD: no trade wanted, or a gate held it back. DECLINED: the simulated plan failed a check. WOULD_SEND:
    all checks passed in a mode that does not send. SENT: mined. FAILED: an error ended the cycle, see
    ``failure``."""

    HELD = "HELD"
    DECLINED = "DECLINED"
    WOULD_SEND = "WOULD_SEND"
    SENT = "SENT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """``summary`` is one sentence for people. ``started_at`` is Unix seconds by the keeper's clock.

    ``read_round_trips`` counts the requests of the consistent read alone, ``rpc_round_trips`` those of the
    whole cycle, ``nodes`` them by node; ``quorum`` of these had to say the same. ``compute_ms`` is the time spent in
    the pure functions. ``executed_swaps`` are the swaps of a mined plan, ``post_trade`` its checks. The
    fields with a default came later.
    """

    record_id: str
    mode: Mode
    outcome: CycleOutcome
    summary: str
    exit_code: int
    started_at: float
    code_version: str
    settings_hash: str
    inputs: CycleInputs | None
    conclusions: Conclusions | None
    simulation: SimulationReport | None
    verdict: PlanVerdict | None
    receipt: Receipt | None
    realised: PostState | None
    failure: Failure | None
    read_round_trips: int
    rpc_round_trips: int
    compute_ms: float
    nodes: tuple[NodeUse, ...] = ()
    quorum: int = 1
    executed_swaps: tuple[ExecutedSwap, ...] = ()
    post_trade: tuple[Check, ...] = ()
