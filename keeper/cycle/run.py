"""One cycle of the keeper, top to bottom. This is the page to read first.

in_flight  = settle()                     finish, or account for, what an earlier cycle sent
observed   = observe(block)               everything about market and vault at one block hash
drill      = rehearse(observed)           the emergency call after each fall: pure, then tried on the node
assessment = reassess(observed)           risk model, target, decision: pure
plan       = propose(assessment, quotes)  ordered typed steps, expected post-state, cost: pure
simulation = simulate(plan)               the exact calldata, and the post-state read back
verdict    = verify(plan, simulation)     expected against simulated, named checks: pure
receipt    = send(payload)                the one line that spends
post_trade = read_back(receipt)           what the plan left against what it promised, named checks: pure
record     = all of the above
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from keeper.cycle.observe import Observed, observe
from keeper.cycle.pipeline import Assessment, price_bars, propose, reassess, required_quotes
from keeper.cycle.ports import Ports, Sender
from keeper.cycle.serve import LineService, serve
from keeper.decision.limits import highest_gas_price_wei
from keeper.decision.pause_rules import forbids, with_pauses
from keeper.domain.decision import Action, Decision
from keeper.domain.errors import Halted, KeeperError, PostStateUnexpected, Refused
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.fee_replacement import after_replacements
from keeper.domain.fire_drill import DrillCheck
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.plan import Check, PlanVerdict, PostState, RebalancePlan, SimulationReport, VaultCall
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio, post_state
from keeper.domain.record import (
    Conclusions,
    CycleInputs,
    CycleOutcome,
    DecisionRecord,
    Failure,
    Mode,
    NodeUse,
    StageTime,
)
from keeper.domain.tx import InFlight, OutgoingCall, Payload, Receipt
from keeper.domain.urgency import Urgency
from keeper.drill.rehearse import Rehearsal, confirmed, rehearse
from keeper.planning.executed_swaps import StepAmounts, build_executed_swaps
from keeper.planning.gas import gas_limit_for
from keeper.planning.post_trade import SimulatedPlan, post_trade_checks, violations
from keeper.planning.verify import verify
from keeper.runtime import failpoints
from keeper.runtime.deadline import work_within
from keeper.runtime.failpoints import Failpoint

LONGEST_LOOK_S = 120.0
"""All waits from reading to simulating. What was read earlier is too old to act on; the next cycle reads again."""
LONGEST_DRILL_S = 2.0
"""Longest wait for the node's word on the fire drill. Without it the computed drill counts."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """A policy and the outside world that it is applied to.

    ``relays``: a relay keeps trades out of the public mempool. ``compares_clocks``: the block's time must be near the
    keeper's own; a development chain has a time of its own.
    """

    policy: Policy
    ports: Ports
    code_version: str
    settings_hash: str
    relays: bool
    compares_clocks: bool

    def cycle(
        self,
        mode: Mode,
        deleverage_request: DeleverageRequest | None = None,
        *,
        next_look_at: float | None = None,
    ) -> DecisionRecord:
        """Runs one cycle and keeps its record. An expected failure ends the cycle and is part of the record.

        ``deleverage_request`` is an operator's order to deleverage. ``next_look_at`` is when the schedule looks next;
        it is only recorded. Raises JournalUnwritable when the record itself cannot be kept; any other error that
        escapes is a bug.
        """
        cycle = _Cycle(self, mode, deleverage_request, next_look_at=next_look_at)
        try:
            record = cycle.run()
        except KeeperError as error:
            record = cycle.failed(error)
        failpoints.reach(Failpoint.RECORD_BEGINS)
        self.ports.records.append(record)
        failpoints.reach(Failpoint.RECORD_COMMITTED)
        self.ports.chain.forget_notes()
        return record

    @property
    def trouble(self) -> Failure | None:
        """A keeper with one journal has its records there."""
        return None

    def serve(self, mode: Mode) -> LineService:
        """Closes or settles a batch of requests, where one is due (keeper.cycle.serve)."""
        return serve(self.ports, self.policy, mode)


class _Cycle:
    """What one cycle knows so far, so that a failure can record it."""

    def __init__(
        self,
        keeper: Keeper,
        mode: Mode,
        deleverage_request: DeleverageRequest | None,
        *,
        next_look_at: float | None,
    ) -> None:
        self._keeper = keeper
        self._ports = keeper.ports
        self._mode = mode
        self._deleverage_request = deleverage_request
        self._next_look_at = next_look_at
        self._stages: list[StageTime] = []
        self._started_at = keeper.ports.clock.now()
        self._round_trips_before = keeper.ports.chain.round_trips
        self._nodes_before = keeper.ports.chain.nodes
        self._read_round_trips = 0
        self._compute_s = 0.0
        self._inputs: CycleInputs | None = None
        self._conclusions: Conclusions | None = None
        self._simulation: SimulationReport | None = None
        self._verdict: PlanVerdict | None = None
        self._receipt: Receipt | None = None
        self._realised: PostState | None = None
        self._executed_swaps: tuple[ExecutedSwap, ...] = ()
        self._post_trade: tuple[Check, ...] = ()
        self._failure: Failure | None = None

    def run(self) -> DecisionRecord:
        sender = self._ports.sender
        with self._stage("settle"):
            in_flight = sender.settle() if sender is not None else None
        with work_within(LONGEST_LOOK_S):
            with self._stage("read"):
                observed = self._observe(in_flight)
            with self._stage("drill"):
                observed = self._drilled(observed)
            with self._stage("assess"):
                assessment = self._assess(observed)
            decision = assessment.decision
            if decision.action is Action.HOLD:
                return self._record(CycleOutcome.HELD, decision.reason, _hold_exit_code(decision))

            with self._stage("plan"):
                plan = self._plan(observed.inputs, assessment)
            with self._stage("simulate"):
                simulated = self._simulate(plan, observed.inputs, assessment)
        with self._stage("verify"):
            verdict = self._verify(simulated)
        if not verdict.passed:
            return self._record(CycleOutcome.DECLINED, *_why_declined(verdict, simulated.simulation))
        if not self._mode.sends or sender is None:
            return self._record(CycleOutcome.WOULD_SEND, decision.reason, 0)
        pause_state = self._ports.pause_store.pause_state(simulated.snapshot.block.timestamp)
        paused = forbids(pause_state, decision.urgency)
        if paused is not None:
            return self._record(CycleOutcome.HELD, f"HOLD: {paused}", Halted.exit_code)

        with self._stage("send"):
            receipt = self._send(simulated, sender)
        with self._stage("read_back"):
            self._read_back(simulated, receipt)
        return self._record(CycleOutcome.SENT, decision.reason, 0)

    def failed(self, error: KeeperError) -> DecisionRecord:
        self._failure = Failure(
            name=error.name, exit_code=error.exit_code, message=error.message, remedy=error.remedy
        )
        return self._record(CycleOutcome.FAILED, f"{error.name}: {error.message}", error.exit_code)

    def _observe(self, in_flight: InFlight | None) -> Observed:
        ports, policy = self._ports, self._keeper.policy
        before = ports.chain.round_trips
        reading = ports.chain.read(ports.rounds.last_known(), policy.estimate.history_s)
        self._read_round_trips = ports.chain.round_trips - before
        observed = observe(
            reading,
            ports=ports,
            policy=policy,
            read_at=ports.clock.now() if self._keeper.compares_clocks else None,
            in_flight=in_flight,
            deleverage_request=self._deleverage_request,
        )
        self._inputs = observed.inputs
        return observed

    def _drilled(self, observed: Observed) -> Observed:
        """With the fire drill. The node is not asked in an emergency, and not for long: nothing delays the way down."""
        inputs = observed.inputs
        with self._computing():
            rehearsal = rehearse(inputs, inputs.policy)
        checks, note = self._checked(rehearsal, inputs)
        inputs = replace(inputs, drill=confirmed(rehearsal, checks, note))
        self._inputs = inputs
        return replace(observed, inputs=inputs)

    def _checked(self, rehearsal: Rehearsal, inputs: CycleInputs) -> tuple[tuple[DrillCheck, ...], str]:
        """What the node says of the drill's calls, and why it says nothing."""
        if not rehearsal.trials:
            return (), ""
        act = inputs.policy.decision.act_health_factor
        if self._deleverage_request is not None or inputs.held.health_factor < act:
            return (), "in an emergency the node is not asked"
        try:
            with work_within(LONGEST_DRILL_S):
                return self._ports.chain.drill(rehearsal.trials, inputs.snapshot), ""
        except KeeperError as error:
            return (), error.message

    def _assess(self, observed: Observed) -> Assessment:
        inputs = observed.inputs
        with self._computing():
            bars = price_bars(observed.rounds, inputs.snapshot, inputs.policy, candles=observed.candles)
            assessment = reassess(inputs, bars)
        self._conclusions = assessment.concluded(plan=None)
        failpoints.reach(Failpoint.CONCLUDED)
        return assessment

    def _plan(self, inputs: CycleInputs, assessment: Assessment) -> RebalancePlan:
        with self._computing():
            requests = required_quotes(assessment, inputs.snapshot)
        quotes = self._ports.chain.quote(requests, inputs.snapshot) if requests else ()
        self._inputs = replace(inputs, quotes=quotes)
        with self._computing():
            plan = propose(assessment, inputs.snapshot, quotes)
        assert plan is not None, "a decision with a goal has a plan or raises NothingFeasible"
        self._conclusions = assessment.concluded(plan)
        return plan

    def _simulate(self, plan: RebalancePlan, inputs: CycleInputs, assessment: Assessment) -> SimulatedPlan:
        self._simulation = self._ports.chain.simulate(plan, inputs.snapshot)
        return SimulatedPlan(
            snapshot=inputs.snapshot,
            model=assessment.model,
            target=assessment.target,
            decision=assessment.decision,
            plan=plan,
            simulation=self._simulation,
            policy=assessment.policy,
        )

    def _verify(self, simulated: SimulatedPlan) -> PlanVerdict:
        verdict = verify(
            simulated.plan,
            simulated.simulation,
            simulated.snapshot,
            decision=simulated.decision,
            policy=simulated.policy,
        )
        self._verdict = verdict
        failpoints.reach(Failpoint.SIMULATED)
        return verdict

    def _send(self, simulated: SimulatedPlan, sender: Sender) -> Receipt:
        """An EMERGENCY takes over the nonce of a transaction that is not mined yet."""
        call = self._ports.chain.outgoing(simulated.plan, simulated.snapshot)
        payload = _payload(simulated, call, relays=self._keeper.relays)
        self._receipt = sender.send(payload, supersede=simulated.decision.urgency is Urgency.EMERGENCY)
        return self._receipt

    def _read_back(self, simulated: SimulatedPlan, receipt: Receipt) -> None:
        """Raises PostStateUnexpected unless the epoch moved by exactly one and the checks that must hold do hold."""
        after = self._ports.chain.read_back(simulated.plan, receipt.tx_hash)
        self._realised = post_state(after.snapshot)
        self._executed_swaps = build_executed_swaps(
            simulated.plan,
            simulated.snapshot,
            simulated=StepAmounts(simulated.simulation.step_outs, simulated.simulation.step_ins),
            realised=StepAmounts(after.step_outs, after.step_ins),
        )
        epoch, expected = after.snapshot.vault.epoch, simulated.plan.epoch + 1
        if epoch != expected:
            raise PostStateUnexpected(
                f"transaction {receipt.tx_hash} is mined, but the vault's epoch is {epoch}, not {expected}",
                remedy="Look at the rebalancer's Rebalanced and Lowered events: another key may be acting for it.",
            )
        self._post_trade = post_trade_checks(
            simulated, after.snapshot, after.allowances, executed_swaps=self._executed_swaps
        )
        failed = violations(self._post_trade)
        if failed:
            raise PostStateUnexpected(
                f"transaction {receipt.tx_hash} is mined, but {'; '.join(check.detail for check in failed)}",
                remedy="Look at the record's post-trade checks and the vault before you start the keeper again.",
            )
        failpoints.reach(Failpoint.READ_BACK)

    @contextmanager
    def _stage(self, stage: str) -> Iterator[None]:
        """Keeps how long a stage took, also one that raises."""
        started = self._ports.clock.monotonic()
        try:
            yield
        finally:
            self._stages.append(StageTime(stage, self._ports.clock.monotonic() - started))

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """Counts the time in the pure functions, also when they raise."""
        started = self._ports.clock.monotonic()
        try:
            yield
        finally:
            self._compute_s += self._ports.clock.monotonic() - started

    def _record(self, outcome: CycleOutcome, summary: str, exit_code: int) -> DecisionRecord:
        chain = self._ports.chain
        return DecisionRecord(
            record_id=uuid.uuid4().hex,
            mode=self._mode,
            outcome=outcome,
            summary=with_pauses(summary, self._inputs) if outcome is CycleOutcome.HELD else summary,
            exit_code=exit_code,
            started_at=self._started_at,
            code_version=self._keeper.code_version,
            settings_hash=self._keeper.settings_hash,
            inputs=self._inputs,
            conclusions=self._conclusions,
            simulation=self._simulation,
            verdict=self._verdict,
            receipt=self._receipt,
            realised=self._realised,
            failure=self._failure,
            read_round_trips=self._read_round_trips,
            rpc_round_trips=chain.round_trips - self._round_trips_before,
            compute_ms=self._compute_s * 1e3,
            nodes=_traffic(self._nodes_before, chain.nodes),
            quorum=chain.quorum,
            executed_swaps=self._executed_swaps,
            post_trade=self._post_trade,
            next_look_at=self._next_look_at,
            stages=tuple(self._stages),
        )


def _payload(simulated: SimulatedPlan, call: OutgoingCall, *, relays: bool) -> Payload:
    plan, snapshot, policy = simulated.plan, simulated.snapshot, simulated.policy
    nav_usd = portfolio(snapshot).nav_usd
    gas_limit = max(plan.gas_limit, gas_limit_for(simulated.simulation.gas, policy.plan.gas_limit_margin))
    price_wei = highest_gas_price_wei(snapshot, simulated.decision.urgency, policy)
    return Payload(
        chain_id=snapshot.block.chain_id,
        sender=snapshot.keeper_address,
        to=call.to,
        epoch=plan.epoch,
        calldata=call.calldata,
        gas_limit=gas_limit,
        max_fee_cap_wei=min(after_replacements(price_wei), policy.plan.max_fee_wei // gas_limit),
        deadline=plan.deadline,
        as_of=snapshot.block.timestamp,
        turnover=plan.turnover_usd / nav_usd if nav_usd > 0 else 0.0,
        private=relays and plan.call is VaultCall.REBALANCE,
    )


def _traffic(before: Sequence[NodeUse], after: Sequence[NodeUse]) -> tuple[NodeUse, ...]:
    """Traffic with each node between two counts."""
    return tuple(
        replace(
            now,
            round_trips=now.round_trips - then.round_trips,
            bytes_received=now.bytes_received - then.bytes_received,
        )
        for then, now in zip(before, after, strict=True)
    )


def _hold_exit_code(decision: Decision) -> int:
    """Exit code of a HOLD. In an EMERGENCY even an ordinary reason, such as expensive gas, counts as Refused (5)."""
    if decision.urgency is Urgency.EMERGENCY:
        return decision.exit_code or Refused.exit_code
    return decision.exit_code


def _why_declined(verdict: PlanVerdict, simulation: SimulationReport) -> tuple[str, int]:
    """Summary and exit code. A trade that is not worth its cost is an ordinary HOLD (0), any other failure Refused."""
    if simulation.revert is not None:
        return f"HOLD: the simulated transaction reverts with {simulation.revert}", Refused.exit_code
    failed = [check for check in verdict.checks if not check.passed]
    if all(check.name == "cost_within_benefit" for check in failed):
        return f"HOLD: {failed[0].detail}", 0
    return "HOLD: " + "; ".join(check.detail for check in failed), Refused.exit_code
