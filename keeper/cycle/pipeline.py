"""The pure half of a cycle, from an observation to a plan. Live keeper, dry run, backtest and replay all call this."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.decision.decide import decide
from keeper.decision.position import alert_level
from keeper.domain.decision import Action, Decision
from keeper.domain.errors import InvalidBudgets, InvalidCovariance, KeeperError, NoEstimate, SolverFailed
from keeper.domain.evidence import Evidence, PriceBars
from keeper.domain.information import InformationMemory, InformedLook
from keeper.domain.market import MarketSnapshot, Round
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.plan import Quote, QuoteRequest, RebalancePlan
from keeper.domain.policy import Policy
from keeper.domain.prices import Candle
from keeper.domain.record import Conclusions, CycleInputs
from keeper.drill.rehearse import rehearse_traded
from keeper.oracle.price_gate import judged, usable_opinions
from keeper.planning.netting import netting
from keeper.planning.quotes import quote_requests
from keeper.planning.route import route
from keeper.risk.bars import sampled_bars, with_earlier_candles, with_exchange_closes
from keeper.risk.exchanges import candle_symbols, estimate_with_exchanges
from keeper.risk.fallback_model import fallback_model
from keeper.risk.information import (
    informed_look,
    knowledge,
    memory_after,
    missing_facts,
    seen_losses,
    unaccepted,
)
from keeper.risk.market_hours import closures, in_market_hours
from keeper.risk.riskier import riskier
from keeper.sizing.restraint import Restraint, remembered_model, restraint
from keeper.sizing.size import size
from keeper.sizing.tighten import Tightened, tighten

NO_ESTIMATE = "estimate"
"""The name of what is missing where a look allows no estimate."""


@dataclass(frozen=True, slots=True)
class Assessment:
    """The risk model, the target and the decision. ``policy`` is already tightened by the vault's own; ``information``
    is what the next look remembers."""

    policy: Policy
    tightened: tuple[Tightened, ...]
    model: RiskModel
    target: TargetPortfolio
    decision: Decision
    information: InformationMemory

    def concluded(self, plan: RebalancePlan | None) -> Conclusions:
        """What a record keeps of it, and of its plan."""
        return Conclusions(
            model=self.model,
            target=self.target,
            decision=self.decision,
            plan=plan,
            information=self.information,
        )


def price_bars(
    rounds: Mapping[str, Sequence[Round]],
    snapshot: MarketSnapshot,
    policy: Policy,
    candles: Mapping[str, Sequence[Candle]] | None = None,
) -> PriceBars:
    """The risk assets' rounds on the policy's grid, up to the snapshot's block. Bars before an asset's first round come
    from the ``candles`` of other sources; those of ``exchange_series`` become the closes of their exchange. While
    its market is closed an asset has no bars."""
    estimate_policy = policy.estimate
    bars = sampled_bars(
        rounds,
        snapshot.risk_symbols,
        snapshot.block.timestamp,
        bar_seconds=estimate_policy.bar_seconds,
        history_s=estimate_policy.history_s,
        max_gap_s=estimate_policy.max_gap_s,
    )
    if candles:
        bars = with_exchange_closes(with_earlier_candles(bars, candles), candles)
    return in_market_hours(bars, closures(policy.assets))


def assess(observation: Observation, bars: PriceBars, policy: Policy) -> Assessment:
    """Estimate, size and decide.

    A look that misses something which the last fully informed one knew takes no more risk than that one allowed; it
    uses that one's estimate where it has none of its own. Otherwise nothing is decided without an estimate (NoEstimate,
    InvalidCovariance, InvalidBudgets, SolverFailed). The exception is a vault that must be deleveraged: that needs no
    estimate, so the fallback model takes its place when the health factor is below the alert level or a person requests
    a deleveraging. The target then misses the estimate, so nothing is bought.
    """
    policy, tightened = tighten(policy, observation.snapshot.vault)
    memory, known = observation.information, knowledge(observation, bars, policy)
    missing = missing_facts(known, memory)
    names = unaccepted(missing, known, memory, policy=policy.estimate)
    held_back = restraint(observation, names)
    worst = memory.worst_losses
    try:
        evidence = Evidence(known.as_of, bars, observation.implied)
        model = estimate_with_exchanges(evidence, policy, candle_symbols(bars, memory.look))
        worst = seen_losses(model, memory, window_s=policy.estimate.history_s)
        model = replace(model, worst_losses=tuple(loss.losses for loss in worst))
        if held_back is not None and held_back.look is not None:
            before = held_back.look
            model = riskier(model, before.covariance, before.unit_weights, source="the last informed look's")
        target = size(model, observation, policy, restraint=held_back)
    except (NoEstimate, InvalidCovariance, InvalidBudgets, SolverFailed) as error:
        held_back = restraint(observation, (*names, NO_ESTIMATE))
        model = _without_estimate(observation, policy, held_back, error=error)
        target = size(model, observation, policy, restraint=held_back)
    if held_back is None:
        look: InformedLook | None = informed_look(known, observation.implied, model=model, target=target)
    else:
        look = held_back.tightened(model, target) or memory.look
    decision = decide(observation, model, target, policy=policy, tightened=tightened)
    drilled = _with_drill_after(decision, observation, policy)
    if drilled is not None:
        decision = decide(drilled, model, target, policy=policy, tightened=tightened)
    return Assessment(
        policy=policy,
        tightened=tightened,
        model=model,
        target=target,
        decision=decision,
        information=memory_after(memory, missing, look=look, worst_losses=worst),
    )


def _with_drill_after(decision: Decision, observation: Observation, policy: Policy) -> Observation | None:
    """The observation with the fire drill of the vault after a planned trade; None where none is held, or nothing is
    traded that could buy risk."""
    goal = decision.goal
    if observation.drill is None or goal is None or decision.sells_only or decision.action is Action.RIPCORD:
        return None
    after_trade = rehearse_traded(observation, policy, goal, placement=decision.placement)
    return replace(observation, drill=replace(observation.drill, after_trade=after_trade))


def _without_estimate(
    observation: Observation, policy: Policy, held_back: Restraint | None, *, error: KeeperError
) -> RiskModel:
    """The last informed look's estimate, or the fallback model in an emergency. Raises the error where neither may take
    the estimate's place."""
    snapshot, memory = observation.snapshot, observation.information
    if held_back is not None and held_back.look is not None:
        losses = tuple(loss.losses for loss in memory.worst_losses if loss.symbols == held_back.look.symbols)
        return remembered_model(held_back.look, snapshot.block.timestamp, losses, why=error.message)
    unsafe = observation.held.health_factor < alert_level(snapshot, policy)
    if not unsafe and observation.deleverage_request is None:
        raise error
    return fallback_model(snapshot.risk_symbols, snapshot.block.timestamp, error.message)


def required_quotes(assessment: Assessment, snapshot: MarketSnapshot) -> tuple[QuoteRequest, ...]:
    """The quotes that a plan needs from the pools. HOLD needs none."""
    if assessment.decision.goal is None:
        return ()
    return quote_requests(netting(assessment.decision, snapshot, assessment.policy).trades, snapshot)


def propose(
    assessment: Assessment, snapshot: MarketSnapshot, quotes: tuple[Quote, ...]
) -> RebalancePlan | None:
    """The plan for the decision, or None for HOLD. Raises NothingFeasible."""
    if assessment.decision.goal is None:
        return None
    return route(assessment.decision, snapshot, quotes, policy=assessment.policy)


def reassess(inputs: CycleInputs, bars: PriceBars) -> Assessment:
    """``assess`` on the inputs of a cycle, with every price judged again. A replay thus compares the verdicts too."""
    opinions, oracle = inputs.opinions, inputs.policy.oracle
    snapshot = judged(inputs.snapshot, opinions, inputs.memory, policy=oracle)
    counts = usable_opinions(snapshot, opinions, oracle)
    return assess(replace(inputs, snapshot=snapshot, second_opinions=counts), bars, inputs.policy)


def conclude(inputs: CycleInputs, bars: PriceBars) -> Conclusions:
    """Assessment and plan from stored inputs. They are the same bits as in the live cycle."""
    assessment = reassess(inputs, bars)
    return assessment.concluded(propose(assessment, inputs.snapshot, inputs.quotes))
