"""How the values of a metric are read from the daemon's state.

A reader gives one sample for each combination of labels, and none for what is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from keeper.decision.gates import LIMITS, TRIGGERS
from keeper.domain.market import FeedReading, Trust
from keeper.domain.pause_causes import PAUSE_CAUSES
from keeper.domain.prices import is_doubted
from keeper.domain.record import Conclusions, CycleInputs, DecisionRecord
from keeper.monitoring.daemon_state import DaemonState
from keeper.planning.checks import CHECKS, POST_TRADE_CHECKS
from keeper.views.decision import asset_rows

TRUST_LEVELS = {Trust.FRESH: 3, Trust.STALE: 2, Trust.SUSPECT: 1, Trust.DEAD: 0}

Sample = tuple[tuple[str, ...], float]
"""Values of the labels, and the number."""
Samples = Iterable[Sample]
Reader = Callable[[DaemonState], Samples]


def trust_level(feed: FeedReading) -> int:
    """A closed market is a normal state, so the last price before it counts as FRESH."""
    return TRUST_LEVELS[feed.trust if is_doubted(feed) else Trust.FRESH]


def single(value: float | None) -> Samples:
    return () if value is None else (((), float(value)),)


def of_inputs(value: Callable[[CycleInputs], float | None]) -> Reader:
    def samples(state: DaemonState) -> Samples:
        inputs = state.last_read.inputs if state.last_read is not None else None
        return () if inputs is None else single(value(inputs))

    return samples


def of_read(several: Callable[[DecisionRecord], Samples]) -> Reader:
    return lambda state: () if state.last_read is None else several(state.last_read)


def of_conclusions(several: Callable[[Conclusions], Samples]) -> Reader:
    return of_read(lambda it: () if it.conclusions is None else several(it.conclusions))


def of_last(several: Callable[[DecisionRecord], Samples]) -> Reader:
    return lambda state: () if state.last is None else several(state.last)


def fall_to_liquidation(health_factor: float) -> float:
    """The joint fall of all collateral at which the health factor is 1, a fraction; 1 without debt."""
    return 1.0 - 1.0 / health_factor if health_factor >= 1.0 else 0.0


def head_age(inputs: CycleInputs) -> float | None:
    return None if inputs.read_at is None else inputs.read_at - inputs.snapshot.block.timestamp


def share_price(inputs: CycleInputs) -> float | None:
    vault = inputs.snapshot.vault
    return vault.total_assets / vault.total_shares if vault.total_shares > 0 else None


def weights(record: DecisionRecord) -> Samples:
    for row in asset_rows(record):
        yield (row.holding.feed.symbol, "present"), row.holding.weight
        yield (row.holding.feed.symbol, "target"), row.conclusions.target.weights[row.place]


def risk_shares(record: DecisionRecord) -> Samples:
    for row in asset_rows(record):
        yield (row.holding.feed.symbol, "present"), row.risk_share
        yield (row.holding.feed.symbol, "target"), row.conclusions.target.risk_shares[row.place]


def of_feeds(value: Callable[[FeedReading, int], float]) -> Reader:
    """``value`` of each feed at the time of the block."""

    def samples(record: DecisionRecord) -> Samples:
        assert record.inputs is not None, "a record that read the vault has inputs"
        snapshot = record.inputs.snapshot
        return [((feed.symbol,), float(value(feed, snapshot.block.timestamp))) for feed in snapshot.feeds]

    return of_read(samples)


def volatilities(conclusions: Conclusions) -> Samples:
    yield ("present",), conclusions.decision.current.volatility
    yield ("target",), conclusions.target.volatility


def triggers(conclusions: Conclusions) -> Samples:
    fired = {gate.name for gate in conclusions.decision.gates if gate.kind == "trigger" and gate.passed}
    return [((rule.name,), float(rule.name in fired)) for rule in TRIGGERS]


def limits(conclusions: Conclusions) -> Samples:
    failing = {gate.name for gate in conclusions.decision.gates if gate.kind != "trigger" and not gate.passed}
    return [((rule.name, rule.kind), float(rule.name in failing)) for rule in LIMITS]


def checks(record: DecisionRecord) -> Samples:
    checks = record.verdict.checks if record.verdict is not None else ()
    failing = {check.name for check in checks if not check.passed}
    return [((name,), float(name in failing)) for name in CHECKS]


def post_trade(record: DecisionRecord) -> Samples:
    failing = {check.name for check in record.post_trade if not check.passed}
    return [((name,), float(name in failing)) for name in POST_TRADE_CHECKS]


def pauses(record: DecisionRecord) -> Samples:
    inputs = record.inputs
    pauses = inputs.pause_state.pauses if inputs is not None and inputs.pause_state is not None else ()
    active = {pause.cause for pause in pauses}
    return [((cause.name,), float(cause.name in active)) for cause in PAUSE_CAUSES]


def budgets(record: DecisionRecord) -> Samples:
    inputs = record.inputs
    if inputs is None or inputs.pause_state is None:
        return
    usage, daily = inputs.pause_state.usage, inputs.policy.daily
    yield ("loss",), usage.loss / daily.max_loss if daily.max_loss > 0 else 0.0
    yield ("turnover",), usage.turnover / daily.max_turnover if daily.max_turnover > 0 else 0.0
    yield ("gas",), usage.gas_wei / daily.max_gas_wei if daily.max_gas_wei > 0 else 0.0
    yield ("failures",), usage.failures / daily.max_failures if daily.max_failures > 0 else 0.0


def attempt_age(record: DecisionRecord) -> Samples:
    inputs = record.inputs
    if inputs is None:
        return ()
    return single(0.0 if inputs.in_flight is None else record.started_at - inputs.in_flight.since)


def plan_costs(conclusions: Conclusions) -> Samples:
    if conclusions.plan is None:
        return ()
    cost = conclusions.plan.cost
    return [
        (("gas",), cost.gas),
        (("fees",), cost.fees),
        (("slippage",), cost.slippage),
        (("flash",), cost.flash),
    ]


def head_sockets(state: DaemonState) -> Samples:
    """Nothing without a WebSocket."""
    lost = sum(bool(socket.trouble) for socket in state.head_sockets)
    live = len(state.head_sockets) - lost
    return [(("live",), float(live)), (("lost",), float(lost))] if state.head_sockets else []


def head_heard_at(state: DaemonState) -> Samples:
    """Of the node that told last."""
    return single(
        max((each.heard_at for each in state.head_sockets if each.heard_at is not None), default=None)
    )
