"""Runs a strategy bar by bar along a path, with the functions of the live keeper: assess, propose, verify."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.ledger import COST_FIELDS, Ledger
from keeper.backtest.market_replay import MarketReplay, at_last_known_prices, with_prices_at_feed_precision
from keeper.backtest.record import Recorder
from keeper.backtest.result import BacktestResult, Costs, Event
from keeper.backtest.universe import Universe, universes
from keeper.backtest.venue import SimulatedVenue
from keeper.cycle.pipeline import Assessment, assess, propose, required_quotes
from keeper.domain.decision import Action, Decision
from keeper.domain.errors import BadInput, NoEstimate, NothingFeasible
from keeper.domain.information import NOTHING_REMEMBERED
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.path import MarketPath
from keeper.domain.plan import RebalancePlan, VaultCall
from keeper.domain.policy import Policy
from keeper.domain.units import BPS, SECONDS_PER_DAY
from keeper.domain.urgency import Urgency
from keeper.oracle.vault_rules import in_emergency
from keeper.planning.verify import filled_as_planned, verify
from keeper.risk.market_hours import closures

Progress = Callable[[int, int], None]
PROGRESS_EVERY = 200
LEVERING_PAUSE_S = 86_400
"""Rebalancer.LEVERING_PAUSE: nothing is borrowed for so long after an emergency."""


def backtest(
    path: MarketPath,
    policy: Policy,
    venue: SimulatedVenue,
    name: str,
    progress: Progress | None = None,
    *,
    every_bar: bool = False,
) -> BacktestResult:
    """Simulates the policy along the path. It starts in cash at the first bar with an estimate.

    A decision at a bar's close sees nothing later and trades at that close. An asset joins when it has enough history.
    It decides once per ``decision.routine_every_s``, and at least once a day. Between, it decides at each bar at whose
    close the health factor is below the alert level or has fallen by ``health_band`` since the last decision.
    ``every_bar``: it decides at each bar, as the daemon does, which takes many times as long. Raises BadInput
    if the path is too short for one decision.
    """
    run = _BacktestRun(path, policy, venue, name=name, every_bar=every_bar)
    run.along(progress)
    return run.result()


class _BacktestRun:
    def __init__(
        self, path: MarketPath, policy: Policy, venue: SimulatedVenue, name: str, *, every_bar: bool
    ) -> None:
        estimate = policy.estimate
        if path.bar_seconds != estimate.bar_seconds:
            raise BadInput(
                f"estimate.bar_seconds is {estimate.bar_seconds}, the market's bars have {path.bar_seconds} s",
                remedy=f"Set estimate.bar_seconds to {path.bar_seconds}, or load the market on that grid.",
            )
        observed = with_prices_at_feed_precision(path)
        self._universes = universes(observed, policy)
        self._scene = MarketReplay(observed, venue, estimate.history_s, closed=closures(policy.assets))
        self._path = at_last_known_prices(observed)
        n = len(path.symbols)
        self._ledger = Ledger(
            venue,
            path.symbols,
            np.zeros(n),
            cash=venue.initial_nav_usd,
            debt=0.0,
            spent=np.zeros(len(COST_FIELDS)),
        )
        self._thresholds = np.array(
            [venue.terms(symbol).liquidation_threshold_bps / BPS for symbol in path.symbols]
        )
        first = self._universes[0].start
        self._recorder = Recorder(self._path, policy, name, first=first, thresholds=self._thresholds)
        self._held_by = ""
        between = min(policy.decision.routine_every_s, SECONDS_PER_DAY)
        self._every = 1 if every_bar else -(-between // path.bar_seconds)
        self._alert, self._health_band = policy.decision.alert_health_factor, policy.decision.health_band
        self._seen_health = math.inf
        self._last: Assessment | None = None
        self._information = NOTHING_REMEMBERED

    def along(self, progress: Progress | None) -> None:
        start, total = self._universes[0].start, len(self._path.times) - self._universes[0].start
        for universe in self._universes:
            self._last = None
            for t in range(universe.start, universe.stop):
                self._bar(t, universe)
                done = t + 1 - start
                if progress is not None and (done % PROGRESS_EVERY == 0 or done == total):
                    progress(done, total)

    def result(self) -> BacktestResult:
        return self._recorder.result(self._ledger.costs(), self._path.source)

    def _bar(self, t: int, universe: Universe) -> None:
        self._pass_time(t)
        if not self._is_decided(t):
            self._recorder.undecided(t, self._ledger, universe.columns, last=self._last)
            return
        snapshot = self._scene.snapshot(t, universe.columns, self._ledger)
        bars = self._scene.bars(t, universe.columns)
        observation = Observation(snapshot, self._scene.implied(t), information=self._information)
        try:
            assessment = assess(observation, bars, universe.policy)
        except NoEstimate:
            self._recorder.undecided(t, self._ledger, universe.columns, last=None)
            return
        self._last = assessment
        self._information = assessment.information
        decision = assessment.decision
        if decision.goal is None:
            self._hold(t, assessment, *_why_held(decision))
        else:
            self._trade(t, assessment, snapshot)
        self._seen_health = self._health_factor(t)
        self._recorder.estimated(t, assessment, universe.columns, self._ledger)

    def _is_decided(self, t: int) -> bool:
        if (t - self._universes[0].start) % self._every == 0:
            return True
        health = self._health_factor(t)
        if math.isinf(self._seen_health):
            self._seen_health = health
        return health < max(self._alert, (1.0 - self._health_band) * self._seen_health)

    def _health_factor(self, t: int) -> float:
        path = self._path
        return self._ledger.health_factor(path.closes[t], float(path.stable[t]), self._thresholds)

    def _pass_time(self, t: int) -> None:
        """Interest up to the close, and liquidation if the bar's lows reach it."""
        path, ledger = self._path, self._ledger
        if t > self._universes[0].start:
            ledger.accrue(
                path.bar_seconds, path.closes[t], path.stable[t], others_owe=self._scene.others_owe(t)
            )
        lowest = ledger.health_factor(path.lows[t], path.stable[t], self._thresholds)
        self._recorder.lowest(t, lowest)
        if lowest < 1.0:
            before = self._weights(t)
            costs = ledger.costs()
            ledger.liquidate(path.lows[t], path.stable[t], lowest)
            self._recorder.event(self._liquidation(t, before, costs, lowest=lowest))

    def _hold(self, t: int, assessment: Assessment, cause: str, held_by: str) -> None:
        if held_by != self._held_by and held_by:
            weights = self._weights(t)
            event = self._event(t, assessment, cause, before=weights, costs=self._ledger.costs())
            self._recorder.event(replace(event, held_by=held_by, action=Action.HOLD))
        self._held_by = held_by

    def _trade(self, t: int, assessment: Assessment, snapshot: MarketSnapshot) -> None:
        decision = assessment.decision
        cause = _cause(decision)
        try:
            plan = self._plan(assessment, snapshot)
        except NothingFeasible:
            self._hold(t, assessment, cause, held_by=NothingFeasible.__name__)
            return
        check = _failed_check(plan, snapshot, assessment)
        if check:
            self._hold(t, assessment, cause, held_by=check)
            return
        path, ledger = self._path, self._ledger
        stable = float(path.stable[t])
        before, costs, now = self._weights(t), ledger.costs(), int(path.times[t])
        nav, net = ledger.nav(path.closes[t], stable), ledger.net(path.closes[t], stable)
        ledger.apply(plan, now, stable)
        if plan.call is VaultCall.DELEVERAGE and in_emergency(snapshot):
            ledger.levering_closed_until = now + LEVERING_PAUSE_S
        else:
            loss = ledger.counted_loss(ledger.net(path.closes[t], stable) - net)
            ledger.spend(loss / nav, plan.turnover_usd / nav, now)
        ledger.charge_gas(plan.cost.gas, stable)
        self._held_by = ""
        self._recorder.event(
            self._event(t, assessment, cause, before=before, costs=costs, turnover=plan.turnover_usd / nav)
        )
        ledger.resize(ledger.nav(path.closes[t], stable))

    def _plan(self, assessment: Assessment, snapshot: MarketSnapshot) -> RebalancePlan:
        requests = required_quotes(assessment, snapshot)
        quotes = tuple(self._scene.quote(request, snapshot) for request in requests)
        plan = propose(assessment, snapshot, quotes)
        assert plan is not None, "a decision with a goal has a plan or raises NothingFeasible"
        return plan

    def _weights(self, t: int) -> NDArray[np.float64]:
        ledger = self._ledger
        nav = ledger.nav(self._path.closes[t], float(self._path.stable[t]))
        return ledger.values(self._path.closes[t]) / nav if nav > 0.0 else np.zeros(len(ledger.symbols))

    def _event(
        self,
        t: int,
        assessment: Assessment,
        cause: str,
        before: NDArray[np.float64],
        costs: Costs,
        turnover: float = 0.0,
    ) -> Event:
        decision, target = assessment.decision, assessment.target
        after = self._weights(t)
        return Event(
            time=int(self._path.times[t]),
            action=decision.action,
            urgency=decision.urgency,
            cause=cause,
            reason=decision.reason,
            weights_before=tuple(before.tolist()),
            weights_after=tuple(after.tolist()),
            leverage_before=math.fsum(before.tolist()),
            leverage_after=math.fsum(after.tolist()),
            target_leverage=target.leverage,
            binding=target.binding,
            turnover=turnover,
            benefit_usd=decision.benefit_usd,
            expected_cost_usd=decision.expected_cost_usd,
            costs=_since(costs, self._ledger.costs()),
        )

    def _liquidation(self, t: int, before: NDArray[np.float64], costs: Costs, lowest: float) -> Event:
        after = self._weights(t)
        return Event(
            time=int(self._path.times[t]),
            action=Action.RIPCORD,
            urgency=Urgency.EMERGENCY,
            cause="liquidation",
            reason=f"liquidated: health factor {lowest:.3f} at the bar's lows",
            weights_before=tuple(before.tolist()),
            weights_after=tuple(after.tolist()),
            leverage_before=math.fsum(before.tolist()),
            leverage_after=math.fsum(after.tolist()),
            costs=_since(costs, self._ledger.costs()),
        )


def _cause(decision: Decision) -> str:
    fired = (gate for gate in decision.gates if gate.kind == "trigger" and gate.passed)
    return next((gate.name for gate in fired if gate.urgency is decision.urgency), "")


def _why_held(decision: Decision) -> tuple[str, str]:
    """The trigger that asked for a trade and the limit that stopped it; two empty strings when nothing asked."""
    cause = _cause(decision)
    if not cause:
        return "", ""
    stopped = [gate.name for gate in decision.gates if gate.kind == "limit" and not gate.passed]
    levering = [gate.name for gate in decision.gates if gate.kind == "levering" and not gate.passed]
    return cause, (stopped or levering or ["goal"])[0]


def _failed_check(plan: RebalancePlan, snapshot: MarketSnapshot, assessment: Assessment) -> str:
    """The first of the live keeper's checks that the plan's expected state does not pass; "" when it passes all."""
    verdict = verify(
        plan, filled_as_planned(plan), snapshot, decision=assessment.decision, policy=assessment.policy
    )
    return next((check.name for check in verdict.checks if not check.passed), "")


def _since(before: Costs, now: Costs) -> Costs:
    return Costs(*(getattr(now, field) - getattr(before, field) for field in COST_FIELDS))
