"""Prices, their history, and what options say."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from keeper.app.composition import opinions_of
from keeper.cycle.pipeline import price_bars
from keeper.doctor.diagnosis import Diagnosis, Mark, Patient
from keeper.domain.errors import Untrusted
from keeper.domain.market import Trust
from keeper.domain.prices import FeedMemory, Opinion
from keeper.domain.units import BPS
from keeper.feeds.deribit import Deribit
from keeper.journal.bars import StoredBars
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import MemoryRounds, StoredRounds
from keeper.journal.store import Journal
from keeper.oracle.memory import remembered
from keeper.oracle.price_gate import judged, usable
from keeper.oracle.twap import twap_opinions
from keeper.settings.schema import Settings
from keeper.settings.to_domain import endpoints


def feeds(patient: Patient) -> Diagnosis:
    patient.opinions, memory = _opinions(patient), _memory(patient.settings)
    snapshot = judged(patient.snapshot, patient.opinions, memory, patient.policy.oracle)
    doubtful = [feed for feed in snapshot.feeds if feed.trust is not Trust.FRESH]
    if doubtful:
        return Diagnosis(
            "feeds",
            Mark.WRONG,
            "; ".join(f"{feed.symbol} is {feed.trust.value}: {feed.reason}" for feed in doubtful),
            "Nothing levers until it is fresh. Look at the feed on chain.",
            Untrusted.exit_code,
        )
    oldest = max(snapshot.block.timestamp - feed.round.updated_at for feed in snapshot.feeds)
    return Diagnosis("feeds", Mark.GOOD, f"{len(snapshot.feeds)} fresh, the oldest round {oldest} s old")


def _opinions(patient: Patient) -> tuple[Opinion, ...]:
    symbols = [token.symbol for token in patient.snapshot.tokens]
    with opinions_of(patient.settings, patient.policy) as sources:
        return sources.read(symbols, patient.snapshot.block.timestamp) if sources is not None else ()


def _memory(settings: Settings) -> tuple[FeedMemory, ...]:
    with Journal.open_for_reading(settings.journal_url) as journal:
        last = StoredRecords(journal).last_inputs()
    return remembered(last.memory, last.snapshot) if last is not None else ()


def second_opinions(patient: Patient) -> Diagnosis:
    snapshot, oracle = patient.snapshot, patient.policy.oracle
    assert oracle is not None, "settings always say when a price is believed"
    said = (*twap_opinions(snapshot, oracle), *patient.opinions)
    now = snapshot.block.timestamp
    counts = {feed.symbol: len(usable(said, feed.symbol, now, oracle)) for feed in snapshot.feeds}
    detail = ", ".join(f"{symbol} {count}" for symbol, count in counts.items())
    if 0 in counts.values():
        return Diagnosis(
            "second opinions",
            Mark.WORTH_A_LOOK,
            f"usable sources beside the feed: {detail}",
            "A feed alone is believed within the limits of its jump guard. `rebalance --simulate --verbose` says why "
            "each source has no word.",
        )
    return Diagnosis("second opinions", Mark.GOOD, f"usable sources beside the feed: {detail}")


def oracle_gap(patient: Patient) -> Diagnosis:
    gaps = {
        feed.symbol: abs(feed.price - reserve.market_price) / reserve.market_price * BPS
        for feed, reserve in zip(patient.snapshot.feeds, patient.snapshot.reserves, strict=True)
        if reserve.market_price > 0
    }
    symbol, limit = max(gaps, key=gaps.__getitem__), patient.policy.decision.max_oracle_gap_bps
    detail = f"{symbol}: {gaps[symbol]:.1f} bps from the lending market's oracle, at most {limit}"
    if gaps[symbol] > limit:
        return Diagnosis("oracle gap", Mark.WRONG, detail, "One of the two is wrong.", Untrusted.exit_code)
    return Diagnosis("oracle gap", Mark.GOOD, detail)


def history(patient: Patient) -> Diagnosis:
    estimate = patient.policy.estimate
    with Journal.open_for_reading(patient.settings.journal_url) as journal:
        rounds = MemoryRounds(StoredRounds(journal))
        rounds.extend(patient.node.read(rounds.last_known(), estimate.history_s).new_rounds)
        since = patient.snapshot.block.timestamp - estimate.history_s
        found = rounds.since(since)
        candles = StoredBars(journal).closes(patient.snapshot.risk_symbols, since)
    bars = price_bars(found, patient.snapshot, patient.policy, candles)
    counts = {
        symbol: int(np.isfinite(bars.closes[:, column]).sum())
        for column, symbol in enumerate(patient.snapshot.risk_symbols)
    }
    symbol = min(counts, key=counts.__getitem__)
    detail = f"{symbol} has the fewest bars, {counts[symbol]:,}; {estimate.min_bars:,} are needed"
    if counts[symbol] < estimate.min_bars:
        return Diagnosis(
            "history", Mark.WRONG, detail, "Wait, or lower estimate.min_bars knowingly.", Untrusted.exit_code
        )
    return Diagnosis("history", Mark.GOOD, detail)


def implied_volatility(patient: Patient) -> Diagnosis:
    policy, where = patient.policy, endpoints(patient.settings)
    named = (asset.implied_underlying for asset in policy.assets)
    wanted = tuple(dict.fromkeys(name for name in named if name is not None))
    with closing(Deribit(where.deribit_url)) as deribit:
        readings = deribit.read(wanted, patient.snapshot.block.timestamp, policy.decision.horizon_s)
    missing = [one for one in readings if one.volatility is None]
    if missing:
        return Diagnosis(
            "implied volatility",
            Mark.WRONG,
            "; ".join(f"{one.underlying}: {one.reason}" for one in missing),
            "The keeper goes on with the last good value, then without. Look at KEEPER_DERIBIT_URL.",
            3,
        )
    said = ", ".join(
        f"{one.underlying} {one.volatility:.1%}" for one in readings if one.volatility is not None
    )
    return Diagnosis("implied volatility", Mark.GOOD, said)
