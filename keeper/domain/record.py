"""The full record of one cycle: inputs, conclusions, outcome. It replays offline to the same bits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.decision import Decision
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.information import NOTHING_REMEMBERED, InformationMemory
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.plan import Check, PlanVerdict, PostState, Quote, RebalancePlan, SimulationReport
from keeper.domain.policy import Policy
from keeper.domain.prices import FeedMemory, Opinion
from keeper.domain.tx import Receipt


@dataclass(frozen=True, slots=True)
class HistoryReference:
    """The stored rounds of an asset, or candles of another source, that the estimate used.

    They are the ``count`` rounds updated (candles closed) from ``since`` to ``until``, with their SHA-256."""

    symbol: str
    since: int
    until: int
    count: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleInputs(Observation):
    """Everything that the pure functions were given, rounds and candles by reference. The feeds have their verdicts.

    ``memory`` is what earlier cycles saw of the feeds.
    """

    history: tuple[HistoryReference, ...]
    policy: Policy
    quotes: tuple[Quote, ...]
    opinions: tuple[Opinion, ...]
    memory: tuple[FeedMemory, ...]
    candles: tuple[HistoryReference, ...]


@dataclass(frozen=True, slots=True)
class Conclusions:
    """What the pure functions returned; a replay must return the same. ``plan`` is None where the cycle made none.
    ``information`` is what the next cycle remembers."""

    model: RiskModel
    target: TargetPortfolio
    decision: Decision
    plan: RebalancePlan | None
    information: InformationMemory = NOTHING_REMEMBERED


@dataclass(frozen=True, slots=True)
class Failure:
    """The error that ended the cycle."""

    name: str
    exit_code: int
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class NodeUse:
    """Traffic with one node: HTTP requests and bytes of the answers. ``endpoint`` is masked. ``note`` says why the node
    was left out of a read of this cycle; it is empty where it was not."""

    endpoint: str
    round_trips: int
    bytes_received: int
    note: str


STAGES = ("settle", "read", "drill", "assess", "plan", "simulate", "verify", "send", "read_back")
"""Of a cycle, in their order."""


@dataclass(frozen=True, slots=True)
class StageTime:
    """Time that one stage of a cycle took, by the keeper's monotonic clock. ``stage`` is one of ``STAGES``."""

    stage: str
    seconds: float


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
    """HELD: no trigger asked for a trade, or a gate stopped it. DECLINED: the simulated plan failed a check.
    WOULD_SEND: all checks passed in a mode that does not send. SENT: mined. FAILED: an error ended the cycle, see
    ``DecisionRecord.failure``."""

    HELD = "HELD"
    DECLINED = "DECLINED"
    WOULD_SEND = "WOULD_SEND"
    SENT = "SENT"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class DecisionRecord:
    """``summary`` is one sentence for people. ``started_at`` is Unix seconds by the keeper's clock.

    ``read_round_trips`` counts the requests of the consistent read, ``rpc_round_trips`` those of the whole cycle;
    ``nodes`` has the traffic by node, of which ``quorum`` had to agree. ``compute_ms`` is the time in the pure
    functions. ``executed_swaps`` are the swaps of a mined plan, ``post_trade`` the checks on it. ``next_look_at`` (Unix
    seconds) is when the schedule looks next, None for a cycle by hand. ``stages`` are those that the cycle reached.
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
    nodes: tuple[NodeUse, ...]
    quorum: int
    executed_swaps: tuple[ExecutedSwap, ...]
    post_trade: tuple[Check, ...]
    next_look_at: float | None = None
    stages: tuple[StageTime, ...] = ()

    @property
    def information(self) -> InformationMemory:
        """What the next cycle remembers. A cycle that failed before its conclusions leaves what it was given."""
        if self.conclusions is not None:
            return self.conclusions.information
        return self.inputs.information if self.inputs is not None else NOTHING_REMEMBERED
