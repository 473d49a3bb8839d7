"""What a look at the market knows, and what it misses of what the last fully informed look knew."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from keeper.domain.accounts import accounts
from keeper.domain.evidence import ImpliedReading, PriceBars
from keeper.domain.information import (
    Acceptance,
    Fact,
    Gap,
    InformationMemory,
    InformedLook,
    MissingFact,
    SeenCloses,
    WorstLoss,
)
from keeper.domain.market import MarketSnapshot, Trust
from keeper.domain.model import RiskModel, TargetPortfolio
from keeper.domain.observation import Observation
from keeper.domain.policy import EstimatePolicy, Policy
from keeper.domain.prices import asset_of_series, is_doubted
from keeper.domain.units import BPS, SECONDS_PER_HOUR
from keeper.risk.account_facts import account_facts, debt_agrees, subject_of
from keeper.risk.exchanges import CANDLES, agreeing_closes, candle_symbols, exchange_bars
from keeper.risk.history_facts import BARS, CANDLE_MOVEMENT, bar_facts, candle_facts
from keeper.risk.seen_closes import changed_series, seen_closes
from keeper.risk.worst_losses import undominated

TRUST_RANK = {Trust.DEAD: 0.0, Trust.SUSPECT: 1.0, Trust.STALE: 2.0, Trust.FRESH: 3.0}


@dataclass(frozen=True, slots=True, eq=False)
class Knowledge:
    """``facts`` of one look at ``as_of``. ``shortfalls`` names those that are not enough, whatever earlier looks knew.

    ``unknown_bars`` are the times of the bars without a close, by asset or ``exchange_series``, for those that have
    any. ``seen_closes`` are the closes of exchanges. ``changed`` names the series whose past is another one than at the
    last informed look. ``subjects`` are the assets and option markets of this look. ``pending_shares`` are in the line
    of redemptions, raw.
    """

    as_of: int
    facts: tuple[Fact, ...]
    shortfalls: frozenset[str]
    unknown_bars: Mapping[str, NDArray[np.int64]]
    seen_closes: tuple[SeenCloses, ...]
    changed: frozenset[str]
    subjects: frozenset[str]
    bar_seconds: int
    pending_shares: int

    @property
    def gaps(self) -> tuple[Gap, ...]:
        return tuple(gap for symbol in self.unknown_bars for gap in self._gaps_of(symbol))

    def _gaps_of(self, symbol: str) -> Iterator[Gap]:
        times = self.unknown_bars[symbol]
        for run in np.split(times, np.flatnonzero(np.diff(times) > self.bar_seconds) + 1):
            yield Gap(symbol, int(run[0]), int(run[-1]))


def knowledge(observation: Observation, bars: PriceBars, policy: Policy) -> Knowledge:
    """Everything that the look knows, by name.

    A source that is not there is no fact, or one of amount 0. A source that is there and unusable is a shortfall.
    """
    snapshot = observation.snapshot
    as_of = snapshot.block.timestamp
    underlyings, look = _underlyings(policy, snapshot), observation.information.look
    symbols = candle_symbols(bars, look)
    helping = exchange_bars(bars, symbols, policy)
    candles = agreeing_closes(bars, helping)
    judged = (
        *bar_facts(bars, as_of, policy.estimate),
        *_implied_facts(observation, underlyings, policy.estimate),
        *_feed_facts(snapshot),
        *account_facts(snapshot, policy.decision.max_oracle_gap_bps),
        *candle_facts(symbols, helping, candles),
    )
    series = {**dict(zip(bars.symbols, bars.closes.T, strict=True)), **candles}
    return Knowledge(
        as_of=as_of,
        facts=(
            *(fact for fact, _ in judged),
            *_opinion_facts(observation),
            *_market_facts(snapshot, policy.decision.max_oracle_gap_bps),
        ),
        shortfalls=frozenset(fact.name for fact, is_enough in judged if not is_enough),
        unknown_bars={
            name: bars.times[unknown]
            for name, closes in series.items()
            if (unknown := ~(np.isfinite(closes) | bars.closed_at(asset_of_series(name)))).any()
        },
        seen_closes=seen_closes(bars.times, candles, as_of=as_of, policy=policy.estimate),
        changed=changed_series(bars.times, candles, look, policy=policy.estimate),
        subjects=frozenset((*snapshot.symbols, *underlyings, *map(subject_of, snapshot.others))),
        bar_seconds=bars.bar_seconds,
        pending_shares=snapshot.redemptions.pending_shares,
    )


def missing_facts(known: Knowledge, memory: InformationMemory) -> tuple[MissingFact, ...]:
    """Shortfalls, and what the remembered look knew better.

    A fact that was missed before keeps its time, unless it has become worse since.
    """
    earlier = {fact.name: fact for fact in memory.missing}
    amounts = {fact.name: fact.amount for fact in known.facts if fact.name in known.shortfalls}
    if memory.look is not None:
        amounts |= _lost(known, memory.look)
    return tuple(
        MissingFact(
            name,
            amount,
            since=earlier[name].since if name in earlier and amount >= earlier[name].amount else known.as_of,
        )
        for name, amount in amounts.items()
    )


def unaccepted(
    missing: Sequence[MissingFact], known: Knowledge, memory: InformationMemory, *, policy: EstimatePolicy
) -> tuple[str, ...]:
    """The names of the missing facts that hold risk down.

    A person accepts any fact at its present amount. Time accepts what was lost ``accept_after_s`` ago, because a hole
    in the history never comes back; it accepts no shortfall.
    """
    accepted = {fact.name: fact.amount for fact in memory.accepted}
    return tuple(
        fact.name
        for fact in missing
        if fact.amount < accepted.get(fact.name, math.inf)
        and (fact.name in known.shortfalls or known.as_of - fact.since < policy.accept_after_s)
    )


def informed_look(
    known: Knowledge, implied: tuple[ImpliedReading, ...], *, model: RiskModel, target: TargetPortfolio
) -> InformedLook:
    """What a look that misses nothing leaves to later ones."""
    return InformedLook(
        as_of=known.as_of,
        symbols=model.symbols,
        facts=known.facts,
        gaps=known.gaps,
        implied=implied,
        covariance=model.covariance,
        unit_weights=target.unit_weights,
        binding_caps=target.binding_caps,
        bounds=target.bounds,
        leverage=target.leverage,
        unqueued_leverage=target.unqueued_leverage,
        pending_shares=known.pending_shares,
        seen_closes=known.seen_closes,
    )


def memory_after(
    memory: InformationMemory,
    missing: tuple[MissingFact, ...],
    *,
    look: InformedLook | None,
    worst_losses: tuple[WorstLoss, ...],
) -> InformationMemory:
    """What the next look remembers. ``look`` is this one where it was fully informed, else the one before. An
    acceptance ends when its fact is back."""
    names = {fact.name for fact in missing}
    return replace(
        memory,
        look=look,
        missing=missing,
        accepted=tuple(fact for fact in memory.accepted if fact.name in names),
        worst_losses=worst_losses,
    )


def seen_losses(model: RiskModel, memory: InformationMemory, *, window_s: int) -> tuple[WorstLoss, ...]:
    """The model's worst losses and the remembered ones, without those that another is at least as bad as.

    A history that got shorter thus does not lower them. Losses are forgotten when they were not seen for a whole
    window.
    """
    seen = dict.fromkeys(model.worst_losses, model.as_of)
    for before in memory.worst_losses:
        if before.symbols == model.symbols and model.as_of - before.seen_at <= window_s:
            seen.setdefault(before.losses, before.seen_at)
    # The model's own are undominated among themselves already, and most looks remember no others.
    worst = undominated(np.array(list(seen))) if len(seen) > len(model.worst_losses) else model.worst_losses
    return tuple(WorstLoss(model.symbols, losses, seen[losses]) for losses in worst)


def with_acceptances(memory: InformationMemory, acceptances: Sequence[Acceptance]) -> InformationMemory:
    """The memory after what a person accepted since. Who accepts a shorter history also accepts that its worst loss is
    forgotten."""
    for acceptance in acceptances:
        names = {fact.name for fact in acceptance.facts}
        memory = replace(
            memory,
            accepted=(*(fact for fact in memory.accepted if fact.name not in names), *acceptance.facts),
            acceptance=acceptance.number,
            worst_losses=() if any(name.startswith(BARS) for name in names) else memory.worst_losses,
        )
    return memory


def _lost(known: Knowledge, look: InformedLook) -> dict[str, float]:
    """By name the present amount of each fact that the look knew better; -inf for one that is gone."""
    now = {fact.name: fact.amount for fact in known.facts}
    asked = [fact for fact in look.facts if (subject := fact.subject) == "" or subject in known.subjects]
    lost = {
        fact.name: now.get(fact.name, -math.inf)
        for fact in asked
        if not (fact.name.startswith(BARS) and fact.name in now)
        and not (fact.name.startswith(CANDLE_MOVEMENT) and fact.name not in now)
        and now.get(fact.name, -math.inf) < fact.amount
    }
    # The number of bars alone does not show which are lost: the window moves on, and young histories grow.
    for symbol in look.symbols:
        bars = _lost_bars(symbol, known, look, until=known.as_of)
        if bars:
            lost[BARS + symbol] = -float(bars)
    # Nor does the number of exchanges: one may come while another goes.
    for fact in asked:
        series = fact.name.removeprefix(CANDLE_MOVEMENT)
        if series == fact.name:
            continue
        # An exchange's newest candle comes late, so one that the look could not have is not lost.
        closes = _lost_bars(series, known, look, until=look.as_of) or int(series in known.changed)
        if closes or fact.name not in now:
            name = CANDLES + fact.subject
            lost[name] = lost.get(name, now.get(name, 0.0)) - (closes or 1)
    return lost


def _lost_bars(name: str, known: Knowledge, look: InformedLook, until: int) -> int:
    """Number of bars of an asset or an exchange's series up to ``until`` that the look had and this one has not."""
    times = known.unknown_bars.get(name, np.zeros(0, dtype=np.int64))
    times = times[times <= until]
    gaps = [gap for gap in look.gaps if gap.symbol == name]
    return int(times.size) - sum(int(((times >= gap.since) & (times <= gap.until)).sum()) for gap in gaps)


def _underlyings(policy: Policy, snapshot: MarketSnapshot) -> tuple[str, ...]:
    names = (asset.implied_underlying for asset in policy.assets if asset.symbol in snapshot.risk_symbols)
    return tuple(dict.fromkeys(name for name in names if name is not None))


def _implied_facts(
    observation: Observation, underlyings: Sequence[str], policy: EstimatePolicy
) -> Iterator[tuple[Fact, bool]]:
    """Whether each option market has a usable, fresh and plausible reading. One without any reading is no shortfall: it
    did not exist yet."""
    as_of = observation.snapshot.block.timestamp
    look = observation.information.look
    before = {reading.underlying: reading for reading in look.implied} if look is not None else {}
    readings = {reading.underlying: reading for reading in observation.implied}
    for underlying in underlyings:
        reading = readings.get(underlying)
        is_usable = (
            reading is not None
            and _is_current(reading, as_of, policy)
            and not _fell_too_fast(reading, before.get(underlying), policy)
        )
        yield Fact(f"implied:{underlying}", float(is_usable)), is_usable or reading is None


def _is_current(reading: ImpliedReading, as_of: int, policy: EstimatePolicy) -> bool:
    volatility = reading.volatility
    return (
        volatility is not None
        and math.isfinite(volatility)
        and volatility > 0.0
        and 0 <= as_of - reading.observed_at <= policy.implied_max_age_s
    )


def _fell_too_fast(reading: ImpliedReading, before: ImpliedReading | None, policy: EstimatePolicy) -> bool:
    """One source alone could otherwise raise leverage at once. The fall that is believed grows with the root of time,
    as a random walk does."""
    if before is None or not before.volatility or not reading.volatility:
        return False
    hours = max(1.0, (reading.observed_at - before.observed_at) / SECONDS_PER_HOUR)
    return math.log(reading.volatility / before.volatility) < math.log1p(
        -policy.implied_max_fall
    ) * math.sqrt(hours)


def _feed_facts(snapshot: MarketSnapshot) -> Iterator[tuple[Fact, bool]]:
    for feed in snapshot.feeds:
        trust = feed.trust if is_doubted(feed) else Trust.FRESH
        yield Fact(f"feed:{feed.symbol}", TRUST_RANK[trust]), trust is Trust.FRESH


def _opinion_facts(observation: Observation) -> Iterator[Fact]:
    """None where no opinions are kept. How many a purchase needs is a gate's matter."""
    for symbol, count in (observation.second_opinions or {}).items():
        yield Fact(f"opinions:{symbol}", float(count))


def _market_facts(snapshot: MarketSnapshot, max_gap_bps: int) -> Iterator[Fact]:
    """What the pools, the lending market and the vault report. A number that turned to 0 was not read."""
    deep = {pool.symbol for pool in snapshot.depths if pool.liquidity > 0}
    entries = {entry.symbol for entry in snapshot.vault.assets}
    for feed, reserve in zip(snapshot.feeds, snapshot.reserves, strict=True):
        gap = abs(reserve.market_price - feed.price)
        is_plausible = reserve.market_price > 0 and gap * BPS <= max_gap_bps * feed.price
        yield Fact(f"market_price:{feed.symbol}", float(is_plausible))
    for symbol in snapshot.risk_symbols:
        yield Fact(f"depth:{symbol}", float(symbol in deep))
        yield Fact(f"supply_cap:{symbol}", float(snapshot.reserve(symbol).supply_cap > 0))
        yield Fact(f"vault_entry:{symbol}", float(symbol in entries))
    debt = snapshot.reserves[0]
    yield Fact("borrow_cap", float(debt.borrow_cap > 0))
    yield Fact("rate_curve", float(debt.curve.base + debt.curve.slope1 + debt.curve.slope2 > 0.0))
    yield Fact("liquidity", float(debt.available > 0))
    yield Fact("account", float(debt_agrees(snapshot, accounts(snapshot)[0], max_gap_bps)))
    yield Fact("base_fee", float(snapshot.block.base_fee_wei > 0))
