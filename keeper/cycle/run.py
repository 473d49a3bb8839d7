"""One cycle of the keeper, top to bottom. This is the page to read first.

in_flight  = settle()                     finish, or own up to, what was started before looking
snapshot   = read(block)                  everything about market and vault at one block hash
assessment = assess(snapshot, bars, ...)  risk model, target, decision: pure
plan       = propose(assessment, quotes)  ordered typed steps, expected post-state, cost: pure
simulation = simulate(plan)               the exact calldata, and the post-state read back
verdict    = verify(plan, simulation)     expected against simulated, named checks: pure
receipt    = send(payload)                the one line that spends
aftermath  = read_back(plan)              what it left against what was promised, named checks: pure
record     = all of the above
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.cycle.pipeline import Assessment, price_bars, propose, reassess, required_quotes
from keeper.cycle.ports import (
    Bars,
    Chain,
    Clock,
    ExecutedSwaps,
    ImpliedVolatility,
    Opinions,
    PauseStore,
    Records,
    Rounds,
    Sender,
)
from keeper.decision.costs import REMEMBERED, learned_costs
from keeper.decision.limits import highest_gas_price_wei
from keeper.decision.pause_rules import forbids
from keeper.domain.decision import Action, Decision
from keeper.domain.errors import Halted, KeeperError, PostStateUnexpected, Refused
from keeper.domain.evidence import ImpliedReading
from keeper.domain.executed_swaps import LearnedCost
from keeper.domain.market import MarketSnapshot, Round
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.plan import PlanVerdict, PostState, Quote, RebalancePlan, SimulationReport, VaultCall
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.prices import Candle, FeedMemory, Opinion
from keeper.domain.record import (
    Conclusions,
    CycleInputs,
    CycleOutcome,
    DecisionRecord,
    Failure,
    Mode,
    NodeUse,
)
from keeper.domain.tx import Payload, Receipt
from keeper.domain.urgency import Urgency
from keeper.oracle.memory import block_time_streak, updated_memory
from keeper.oracle.price_gate import judged
from keeper.planning.executed_swaps import StepAmounts, build_executed_swaps
from keeper.planning.post_trade import SimulatedPlan, post_trade_checks, violations
from keeper.planning.verify import verify
from keeper.risk.implied import with_last_good
from keeper.runtime import concurrency, failpoints
from keeper.runtime.failpoints import Failpoint


@dataclass(frozen=True, slots=True)
class Keeper:
    """A policy, and the parts of the world it works with. ``sender`` is None where nothing may be sent."""

    policy: Policy
    chain: Chain
    rounds: Rounds
    implied: ImpliedVolatility
    sender: Sender | None
    pause_store: PauseStore
    records: Records
    clock: Clock
    code_version: str
    settings_hash: str
    relays: bool = False
    """Whether there is a relay for what must not be seen in the public mempool."""
    bars: Bars | None = None
    """Price history of other sources, for the time before a feed's first round."""
    opinions: Opinions | None = None
    compares_clocks: bool = False
    """Whether the block's time must be near the keeper's own; a development chain has a time of its own."""
    executed_swaps: ExecutedSwaps | None = None
    """What earlier trades cost."""

    def cycle(self, mode: Mode, deleverage_request: DeleverageRequest | None = None) -> DecisionRecord:
        """Runs one cycle and keeps its record. An expected failure ends the cycle and is part of the record.
        ``deleverage_request``: a deleveraging asked for by hand.

        Raises JournalUnwritable when the record itself cannot be kept; anything else that escapes is a bug.
        """
        run = _Run(self, mode, deleverage_request)
        try:
            record = run.to_the_end()
        except KeeperError as error:
            record = run.failed(error)
        failpoints.reach(Failpoint.RECORD_BEGINS)
        self.records.append(record)
        failpoints.reach(Failpoint.RECORD_COMMITTED)
        return record


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one look at the world gave; fields as in CycleInputs."""

    snapshot: MarketSnapshot
    new_rounds: Mapping[str, tuple[Round, ...]]
    opinions: tuple[Opinion, ...]
    implied: tuple[ImpliedReading, ...]
    memory: tuple[FeedMemory, ...]
    read_at: float | None


class _Run:
    """What has become known so far in one cycle, so that a failure can still record it."""

    def __init__(self, keeper: Keeper, mode: Mode, deleverage_request: DeleverageRequest | None) -> None:
        self._keeper = keeper
        self._mode = mode
        self._demand = deleverage_request
        self._trips_before = keeper.chain.round_trips
        self._nodes_before = keeper.chain.nodes
        self._computing = 0.0
        self._record = DecisionRecord(
            record_id=uuid.uuid4().hex,
            mode=mode,
            outcome=CycleOutcome.FAILED,
            summary="",
            exit_code=1,
            started_at=keeper.clock.now(),
            code_version=keeper.code_version,
            settings_hash=keeper.settings_hash,
            inputs=None,
            conclusions=None,
            simulation=None,
            verdict=None,
            receipt=None,
            realised=None,
            failure=None,
            read_round_trips=0,
            rpc_round_trips=0,
            compute_ms=0.0,
            nodes=(),
            quorum=keeper.chain.quorum,
            executed_swaps=(),
            post_trade=(),
        )

    def to_the_end(self) -> DecisionRecord:
        inputs, assessment = self._assess()
        decision = assessment.decision
        if decision.action is Action.HOLD:
            return self._finished(CycleOutcome.HELD, decision.reason, _exit_code(decision))

        plan = self._plan(inputs.snapshot, assessment)
        simulation, verdict = self._simulate(plan, inputs.snapshot, assessment)
        if not verdict.passed:
            return self._finished(CycleOutcome.DECLINED, *_why_declined(verdict, simulation))
        sender = self._keeper.sender
        if not self._mode.sends or sender is None:
            return self._finished(CycleOutcome.WOULD_SEND, decision.reason, 0)

        stopped = forbids(
            self._keeper.pause_store.pause_state(inputs.snapshot.block.timestamp), decision.urgency
        )
        if stopped is not None:
            return self._finished(CycleOutcome.HELD, f"HOLD: {stopped}", Halted.exit_code)
        receipt = sender.send(
            self._payload(plan, simulation, inputs.snapshot, assessment),
            supersede=decision.urgency is Urgency.EMERGENCY,
        )
        self._record = replace(self._record, receipt=receipt)
        self._read_back(_promised(inputs.snapshot, assessment, plan, simulation), receipt)
        failpoints.reach(Failpoint.READ_BACK)
        return self._finished(CycleOutcome.SENT, decision.reason, 0)

    def failed(self, error: KeeperError) -> DecisionRecord:
        failure = Failure(error.name, error.exit_code, error.message, error.remedy)
        self._record = replace(self._record, failure=failure)
        return self._finished(CycleOutcome.FAILED, f"{error.name}: {error.message}", error.exit_code)

    def _assess(self) -> tuple[CycleInputs, Assessment]:
        keeper, policy = self._keeper, self._keeper.policy
        in_flight = keeper.sender.settle() if keeper.sender is not None else None
        seen = self._look()
        snapshot = seen.snapshot
        failpoints.reach(Failpoint.READ)
        keeper.rounds.extend(seen.new_rounds)
        keeper.rounds.extend(_newest(snapshot, seen.memory))  # raises where the history is not this chain's
        rounds = keeper.rounds.since(snapshot.block.timestamp - policy.estimate.history_s)
        candles = self._before_the_feeds(rounds, snapshot)
        inputs = CycleInputs(
            snapshot=snapshot,
            history=keeper.rounds.references(rounds),
            implied=seen.implied,
            in_flight=in_flight,
            policy=policy,
            quotes=(),
            pause_state=keeper.pause_store.pause_state(snapshot.block.timestamp),
            deleverage_request=self._demand,
            opinions=seen.opinions,
            memory=seen.memory,
            read_at=seen.read_at,
            candles=keeper.bars.references(candles) if keeper.bars is not None else (),
            learned_costs=self._learned(snapshot),
        )
        self._record = replace(self._record, inputs=inputs)
        started = keeper.clock.monotonic()
        bars = price_bars(rounds, snapshot, policy, candles)
        assessment = reassess(inputs, bars)
        self._computing += keeper.clock.monotonic() - started
        self._concluded(assessment, None)
        failpoints.reach(Failpoint.CONCLUDED)
        return inputs, assessment

    def _look(self) -> _Seen:
        """The chain, then exchanges and option market side by side; each feed with its verdict."""
        keeper, policy = self._keeper, self._keeper.policy
        before_reading = keeper.chain.round_trips
        reading = keeper.chain.read(keeper.rounds.last_known(), policy.estimate.history_s)
        self._record = replace(self._record, read_round_trips=keeper.chain.round_trips - before_reading)
        read_at = keeper.clock.now() if keeper.compares_clocks else None
        now, last = reading.snapshot.block.timestamp, keeper.records.last_inputs()
        memory = updated_memory(last.memory, last.snapshot) if last is not None else ()
        symbols = [token.symbol for token in reading.snapshot.tokens]
        asked = concurrency.run_in_background(lambda: _told(keeper.opinions, symbols, now))
        implied = keeper.implied.read(underlyings(policy), now, policy.decision.horizon_s)
        opinions = asked.result()
        return _Seen(
            snapshot=judged(reading.snapshot, opinions, memory, policy.oracle),
            new_rounds=reading.new_rounds,
            opinions=opinions,
            implied=with_last_good(implied, last.implied if last is not None else ()),
            memory=memory,
            read_at=read_at,
        )

    def _before_the_feeds(
        self, rounds: Mapping[str, tuple[Round, ...]], snapshot: MarketSnapshot
    ) -> Mapping[str, tuple[Candle, ...]]:
        """Other sources' bars of the assets whose feed does not reach back as far as the estimate looks."""
        keeper, wanted = self._keeper, self._keeper.policy.estimate
        since = snapshot.block.timestamp - wanted.history_s
        short = [
            symbol
            for symbol in snapshot.risk_symbols
            if symbol in rounds and rounds[symbol][0].updated_at > since + wanted.bar_seconds
        ]
        return keeper.bars.closes(short, since) if keeper.bars is not None and short else {}

    def _plan(self, snapshot: MarketSnapshot, assessment: Assessment) -> RebalancePlan:
        keeper = self._keeper
        started = keeper.clock.monotonic()
        requests = required_quotes(assessment, snapshot)
        self._computing += keeper.clock.monotonic() - started
        quotes: tuple[Quote, ...] = keeper.chain.quote(requests, snapshot) if requests else ()
        if self._record.inputs is not None:
            self._record = replace(self._record, inputs=replace(self._record.inputs, quotes=quotes))
        started = keeper.clock.monotonic()
        plan = propose(assessment, snapshot, quotes)
        self._computing += keeper.clock.monotonic() - started
        assert plan is not None, "a decision with a goal has a plan or raises NothingFeasible"
        self._concluded(assessment, plan)
        return plan

    def _simulate(
        self, plan: RebalancePlan, snapshot: MarketSnapshot, assessment: Assessment
    ) -> tuple[SimulationReport, PlanVerdict]:
        simulation = self._keeper.chain.simulate(plan, snapshot)
        verdict = verify(plan, simulation, snapshot, assessment.decision, assessment.policy)
        self._record = replace(self._record, simulation=simulation, verdict=verdict)
        failpoints.reach(Failpoint.SIMULATED)
        return simulation, verdict

    def _payload(
        self,
        plan: RebalancePlan,
        simulation: SimulationReport,
        snapshot: MarketSnapshot,
        assessment: Assessment,
    ) -> Payload:
        policy = assessment.policy
        margin, nav_usd = policy.plan.gas_limit_margin, portfolio(snapshot).nav_usd
        return Payload(
            chain_id=snapshot.block.chain_id,
            sender=snapshot.keeper_address,
            vault=snapshot.vault.address,
            epoch=plan.epoch,
            calldata=self._keeper.chain.calldata(plan, snapshot),
            gas_limit=max(plan.gas_limit, round(simulation.gas * margin)),
            max_fee_cap_wei=highest_gas_price_wei(snapshot, assessment.decision.urgency, policy),
            deadline=plan.deadline,
            as_of=snapshot.block.timestamp,
            turnover=plan.turnover_usd / nav_usd if nav_usd > 0 else 0.0,
            private=self._keeper.relays and plan.call is VaultCall.REBALANCE,
        )

    def _learned(self, snapshot: MarketSnapshot) -> tuple[LearnedCost, ...]:
        found, symbols = self._keeper.executed_swaps, snapshot.risk_symbols
        return learned_costs(found.latest(REMEMBERED * len(symbols)), symbols) if found is not None else ()

    def _read_back(self, promised: SimulatedPlan, receipt: Receipt) -> None:
        """The vault as it now is: the epoch must have moved by exactly one, and what must hold after a plan must."""
        plan, simulation = promised.plan, promised.simulation
        back = self._keeper.chain.read_back(plan, receipt.tx_hash)
        after = portfolio(back.snapshot)
        realised = PostState(after.nav_usd, after.leverage, after.health_factor, after.weights)
        executed_swaps = build_executed_swaps(
            plan,
            promised.snapshot,
            simulated=StepAmounts(simulation.step_outs, simulation.step_ins),
            realised=StepAmounts(back.step_outs, back.step_ins),
        )
        self._record = replace(self._record, realised=realised, executed_swaps=executed_swaps)
        epoch = back.snapshot.vault.epoch
        if epoch != plan.epoch + 1:
            raise PostStateUnexpected(
                f"transaction {receipt.tx_hash} is mined, but the vault's epoch is {epoch}, not {plan.epoch + 1}",
                remedy="Look at the vault's Rebalanced and Deleveraged events: another key may be acting for it.",
            )
        checks = post_trade_checks(promised, back.snapshot, back.allowances, executed_swaps)
        self._record = replace(self._record, post_trade=checks)
        failed = violations(checks)
        if failed:
            raise PostStateUnexpected(
                f"transaction {receipt.tx_hash} is mined, but {'; '.join(check.detail for check in failed)}",
                remedy="Look at the record's aftermath and the vault before the keeper is started again.",
            )

    def _concluded(self, assessment: Assessment, plan: RebalancePlan | None) -> None:
        conclusions = Conclusions(assessment.model, assessment.target, assessment.decision, plan)
        self._record = replace(self._record, conclusions=conclusions)

    def _finished(self, outcome: CycleOutcome, summary: str, exit_code: int) -> DecisionRecord:
        return replace(
            self._record,
            outcome=outcome,
            summary=summary,
            exit_code=exit_code,
            rpc_round_trips=self._keeper.chain.round_trips - self._trips_before,
            nodes=_used(self._nodes_before, self._keeper.chain.nodes),
            quorum=self._keeper.chain.quorum,
            compute_ms=self._computing * 1e3,
        )


def _promised(
    snapshot: MarketSnapshot, assessment: Assessment, plan: RebalancePlan, simulation: SimulationReport
) -> SimulatedPlan:
    return SimulatedPlan(
        snapshot,
        assessment.model,
        assessment.target,
        assessment.decision,
        plan,
        simulation,
        assessment.policy,
    )


def _newest(snapshot: MarketSnapshot, memory: Sequence[FeedMemory]) -> Mapping[str, tuple[Round, ...]]:
    """Each risk asset's last round, where its feed has rounds. One that bears the block's own time at every look has
    none: it says another time under the same number."""
    now, before = snapshot.block.timestamp, {one.symbol: one for one in memory}
    return {
        reading.symbol: (reading.round,)
        for reading in snapshot.feeds[1:]
        if reading.round.round_id
        and (
            reading.symbol not in before
            or block_time_streak(reading.round.updated_at, now, before[reading.symbol]) <= 1
        )
    }


def _used(before: Sequence[NodeUse], after: Sequence[NodeUse]) -> tuple[NodeUse, ...]:
    return tuple(
        replace(
            now,
            round_trips=now.round_trips - then.round_trips,
            bytes_received=now.bytes_received - then.bytes_received,
        )
        for then, now in zip(before, after, strict=True)
    )


def _told(opinions: Opinions | None, symbols: Sequence[str], as_of: int) -> tuple[Opinion, ...]:
    return opinions.read(symbols, as_of) if opinions is not None else ()


def underlyings(policy: Policy) -> tuple[str, ...]:
    """The option markets that the strategy reads, each once."""
    named = (asset.implied_underlying for asset in policy.assets)
    return tuple(dict.fromkeys(name for name in named if name is not None))


def _exit_code(held: Decision) -> int:
    """Of a HOLD. What holds back an ordinary trade for an ordinary reason, such as the price of gas, is none where the
    health factor asks for a deleveraging."""
    helpless = held.urgency is Urgency.EMERGENCY
    return held.exit_code or (Refused.exit_code if helpless else 0)


def _why_declined(verdict: PlanVerdict, simulation: SimulationReport) -> tuple[str, int]:
    """Not worth its cost is an ordinary HOLD; anything else that fails is a refusal."""
    failed = [check for check in verdict.checks if not check.passed]
    if simulation.revert is not None:
        return f"HOLD: the simulated transaction reverts with {simulation.revert}", 5
    if all(check.name == "cost_within_benefit" for check in failed):
        return f"HOLD: {failed[0].detail}", 0
    return "HOLD: " + "; ".join(check.detail for check in failed), 5
