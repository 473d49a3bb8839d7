"""From what was seen to what to do: the pure half of a cycle. Live keeper, dry run, backtest and replay all
call this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.decision.decide import decide
from keeper.domain.decision import Decision
from keeper.domain.errors import InvalidCovariance, NoEstimate, SolverFailed
from keeper.domain.evidence import Evidence, ImpliedReading, PriceBars
from keeper.domain.executed_swaps import LearnedCost
from keeper.domain.market import MarketSnapshot, Round
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.pause_state import DeleverageRequest, PauseState
from keeper.domain.plan import Quote, QuoteRequest, RebalancePlan
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.prices import Candle
from keeper.domain.record import Conclusions, CycleInputs
from keeper.domain.tx import InFlight
from keeper.oracle.price_gate import judged
from keeper.planning.netting import trades
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.risk.bars import filled, sample
from keeper.risk.estimate import estimate
from keeper.risk.fallback_model import fallback_model
from keeper.sizing.size import size
from keeper.sizing.tighten import Tightened, tighten


@dataclass(frozen=True, slots=True)
class Assessment:
    """Where the vault is, where it should be, and whether to move; ``policy`` is already tightened by the
    vault's."""

    policy: Policy
    tightened: tuple[Tightened, ...]
    model: RiskModel
    target: TargetPortfolio
    decision: Decision


def price_bars(
    rounds: Mapping[str, Sequence[Round]],
    snapshot: MarketSnapshot,
    policy: Policy,
    candles: Mapping[str, Sequence[Candle]] | None = None,
) -> PriceBars:
    """The risk assets' rounds on the policy's grid, up to the snapshot's block; before an asset's first round, the
    ``candles`` of other sources."""
    estimate_policy = policy.estimate
    bars = sample(
        rounds,
        snapshot.risk_symbols,
        snapshot.block.timestamp,
        estimate_policy.bar_seconds,
        estimate_policy.history_s,
        estimate_policy.max_gap_s,
    )
    return filled(bars, candles) if candles else bars


def assess(
    snapshot: MarketSnapshot,
    bars: PriceBars,
    implied: tuple[ImpliedReading, ...],
    in_flight: InFlight | None,
    policy: Policy,
    pause_state: PauseState | None = None,
    deleverage_request: DeleverageRequest | None = None,
    read_at: float | None = None,
    learned: Sequence[LearnedCost] = (),
) -> Assessment:
    """Estimate, size and decide.

    Without an estimate nothing is decided (NoEstimate, InvalidCovariance, SolverFailed), except where the health
    factor or a person asks for a ripcord: getting out needs no estimate, so the worst is presumed.
    """
    policy, tightened = tighten(policy, snapshot.vault)
    try:
        model = estimate(Evidence(snapshot.block.timestamp, bars, implied), policy)
        target = size(model, snapshot, policy)
    except (NoEstimate, InvalidCovariance, SolverFailed) as error:
        if (
            deleverage_request is None
            and portfolio(snapshot).health_factor >= policy.decision.act_health_factor
        ):
            raise
        model = fallback_model(snapshot.risk_symbols, snapshot.block.timestamp, error.message)
        target = size(model, snapshot, policy)
    decision = decide(
        snapshot,
        model,
        target,
        in_flight,
        policy,
        tightened,
        pause_state,
        deleverage_request,
        read_at,
        learned,
    )
    return Assessment(policy, tightened, model, target, decision)


def required_quotes(assessment: Assessment, snapshot: MarketSnapshot) -> tuple[QuoteRequest, ...]:
    """What to ask the pools before a plan can be made; nothing for HOLD."""
    if assessment.decision.goal is None:
        return ()
    return quote_requests(trades(assessment.decision, snapshot, assessment.policy), snapshot)


def propose(
    assessment: Assessment, snapshot: MarketSnapshot, quotes: tuple[Quote, ...]
) -> RebalancePlan | None:
    """The plan for the decision; None for HOLD. Raises NothingFeasible."""
    if assessment.decision.goal is None:
        return None
    return route(assessment.decision, snapshot, quotes, assessment.policy)


def reassess(inputs: CycleInputs, bars: PriceBars) -> Assessment:
    """As ``assess``, from what a cycle was given, its prices judged again: the same verdicts, or the replay differs."""
    snapshot = judged(inputs.snapshot, inputs.opinions, inputs.memory, inputs.policy.oracle)
    return assess(
        snapshot,
        bars,
        inputs.implied,
        inputs.in_flight,
        inputs.policy,
        inputs.pause_state,
        inputs.deleverage_request,
        inputs.read_at,
        inputs.learned_costs,
    )


def conclude(inputs: CycleInputs, bars: PriceBars) -> Conclusions:
    """The whole of it from stored inputs: the same bits as when it was live."""
    assessment = reassess(inputs, bars)
    plan = propose(assessment, inputs.snapshot, inputs.quotes)
    return Conclusions(assessment.model, assessment.target, assessment.decision, plan)
