"""Collects the inputs of a cycle: judged prices, price history, opinions, implied volatility, pauses, learned costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.cycle.history_references import references
from keeper.cycle.pipeline import price_bars
from keeper.cycle.ports import Opinions, Ports, Reading
from keeper.decision.costs import REMEMBERED, learned_costs
from keeper.domain.evidence import ImpliedReading
from keeper.domain.information import NOTHING_REMEMBERED
from keeper.domain.market import MarketSnapshot, Round
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.policy import Policy
from keeper.domain.prices import Candle, FeedMemory, Opinion
from keeper.domain.record import CycleInputs
from keeper.domain.tx import InFlight
from keeper.oracle.memory import block_time_streak, updated_memory
from keeper.oracle.price_gate import judged, usable_opinions
from keeper.risk.exchanges import candle_symbols
from keeper.risk.implied import with_last_good
from keeper.risk.information import with_acceptances
from keeper.runtime import concurrency, failpoints
from keeper.runtime.failpoints import Failpoint


@dataclass(frozen=True, slots=True)
class Observed:
    """The inputs of a cycle, and the price history that they refer to."""

    inputs: CycleInputs
    rounds: Mapping[str, tuple[Round, ...]]
    candles: Mapping[str, tuple[Candle, ...]]


def observe(
    reading: Reading,
    *,
    ports: Ports,
    policy: Policy,
    read_at: float | None,
    in_flight: InFlight | None,
    deleverage_request: DeleverageRequest | None,
) -> Observed:
    """Asks exchanges and option market, judges every price, and stores the new rounds and candles.

    Raises JournalCorrupt where the stored history is not this chain's, JournalUnwritable.
    """
    now, policy = reading.snapshot.block.timestamp, policy.covering(reading.snapshot.risk_symbols)
    record = ports.records.last_informed()
    last = record.inputs if record is not None else None
    information = record.information if record is not None else NOTHING_REMEMBERED
    memory = updated_memory(last.memory, last.snapshot) if last is not None else ()
    opinions, implied = _ask_markets(reading.snapshot, ports, policy)
    snapshot = judged(reading.snapshot, opinions, memory, policy=policy.oracle)
    failpoints.reach(Failpoint.READ)

    ports.rounds.extend(reading.new_rounds)
    ports.rounds.extend(_latest_rounds(snapshot, memory))
    since = now - policy.estimate.history_s
    rounds = ports.rounds.since(since)
    young = _young_feeds(rounds, snapshot, policy)
    candles = dict(ports.bars.closes(young, since)) if young else {}
    if ports.exchange_candles is not None:
        bars = price_bars(rounds, snapshot, policy, candles=candles)
        symbols = candle_symbols(bars, information.look)
        candles |= ports.exchange_candles.closes(symbols, since, as_of=now) if symbols else {}
    inputs = CycleInputs(
        snapshot=snapshot,
        history=references(rounds),
        implied=with_last_good(implied, last.implied if last is not None else ()),
        in_flight=in_flight,
        policy=policy,
        quotes=(),
        pause_state=ports.pause_store.pause_state(now),
        deleverage_request=deleverage_request,
        opinions=opinions,
        second_opinions=usable_opinions(snapshot, opinions, policy.oracle),
        memory=memory,
        read_at=read_at,
        candles=references(candles),
        learned_costs=learned_costs(
            ports.executed_swaps.latest(REMEMBERED * len(snapshot.risk_symbols)), snapshot.risk_symbols
        ),
        information=with_acceptances(information, ports.acceptances.after(information.acceptance)),
    )
    return Observed(inputs=inputs, rounds=rounds, candles=candles)


def underlyings(policy: Policy) -> tuple[str, ...]:
    """The option markets that the strategy uses, each once."""
    names = (asset.implied_underlying for asset in policy.assets)
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _ask_markets(
    snapshot: MarketSnapshot, ports: Ports, policy: Policy
) -> tuple[tuple[Opinion, ...], tuple[ImpliedReading, ...]]:
    """Exchanges and option market at the same time, because each may need its whole timeout."""
    now, symbols = snapshot.block.timestamp, [token.symbol for token in snapshot.tokens]
    opinions = concurrency.run_in_background(lambda: _opinions(ports.opinions, symbols, now))
    implied = ports.implied.read(underlyings(policy), now, policy.decision.horizon_s)
    return opinions.result(), implied


def _opinions(source: Opinions | None, symbols: Sequence[str], as_of: int) -> tuple[Opinion, ...]:
    return source.read(symbols, as_of) if source is not None else ()


def _latest_rounds(snapshot: MarketSnapshot, memory: Sequence[FeedMemory]) -> Mapping[str, tuple[Round, ...]]:
    """The last round of each risk asset whose feed numbers its rounds. A feed that stamps every answer with the
    current block's time is skipped: its round id never changes while its timestamp does."""
    now, known = snapshot.block.timestamp, {feed.symbol: feed for feed in memory}
    return {
        feed.symbol: (feed.round,)
        for feed in snapshot.feeds[1:]
        if feed.round.round_id
        and (
            feed.symbol not in known or block_time_streak(feed.round.updated_at, now, known[feed.symbol]) <= 1
        )
    }


def _young_feeds(
    rounds: Mapping[str, tuple[Round, ...]], snapshot: MarketSnapshot, policy: Policy
) -> tuple[str, ...]:
    """The assets whose feed does not reach back as far as the estimate does."""
    first_close = snapshot.block.timestamp - policy.estimate.history_s + policy.estimate.bar_seconds
    return tuple(
        symbol
        for symbol in snapshot.risk_symbols
        if symbol in rounds and rounds[symbol][0].updated_at > first_close
    )
