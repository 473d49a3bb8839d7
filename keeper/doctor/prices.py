"""Checks of prices, price history and implied volatility."""

from __future__ import annotations

from contextlib import closing

import numpy as np

from keeper.app.assembly import exchange_opinions
from keeper.chain.native_feed import ignored
from keeper.cycle.pipeline import price_bars
from keeper.doctor.diagnosis import Diagnosis, DoctorContext, failed, ok, warning
from keeper.domain.errors import FeedUnavailable, InvalidSetting, Untrusted
from keeper.domain.evidence import PriceBars
from keeper.domain.market import Trust
from keeper.domain.policy import Policy
from keeper.domain.prices import FeedMemory, Opinion, exchange_series, is_doubted
from keeper.domain.units import BPS
from keeper.feeds.deribit import Deribit
from keeper.feeds.opinions import CANDLE_VENUES
from keeper.journal.bars import StoredBars
from keeper.journal.records import StoredRecords
from keeper.journal.rounds import MemoryRounds, StoredRounds
from keeper.journal.store import Journal
from keeper.oracle.memory import updated_memory
from keeper.oracle.price_gate import judged, usable_opinions
from keeper.risk.coverage import slow_feeds
from keeper.risk.exchanges import ENOUGH_EXCHANGES, exchange_bars
from keeper.risk.few_moves import few_moves_factors
from keeper.settings.endpoints import endpoints, venues
from keeper.settings.schema import Settings


def feeds(context: DoctorContext) -> Diagnosis:
    context.opinions, memory = _opinions(context), _memory(context.settings)
    snapshot = judged(context.snapshot, context.opinions, memory, policy=context.policy.oracle)
    doubtful = [feed for feed in snapshot.feeds if is_doubted(feed)]
    if doubtful:
        return failed(
            "; ".join(f"{feed.symbol} is {feed.trust.value}: {feed.reason}" for feed in doubtful),
            Untrusted,
            remedy="The keeper does not raise leverage until every feed is FRESH. Look at the feed on chain.",
        )
    oldest = max(snapshot.block.timestamp - feed.round.updated_at for feed in snapshot.feeds)
    closed = [feed.symbol for feed in snapshot.feeds if feed.trust is not Trust.FRESH]
    others = f", but for the closed market of {', '.join(closed)}" if closed else ""
    return ok(f"{len(snapshot.feeds)} feeds are FRESH{others}; the oldest round is {oldest} s old")


def native_coin(context: DoctorContext) -> Diagnosis:
    coin, where = context.snapshot.native_coin, endpoints(context.settings)
    assert coin is not None, "every reading of a chain has one"
    wrong = ignored(where.wrapped_coin, where.book)
    if wrong is not None:
        return failed(
            wrong, InvalidSetting, remedy="Delete plan.gas_usd_price_symbol from the strategy file."
        )
    if coin.trust is Trust.FRESH:
        age = context.snapshot.block.timestamp - coin.round.updated_at
        return ok(f"gas is priced by {coin.feed}: {coin.price_usd:,.2f} USD, {age} s old")
    if not coin.feed:
        return failed(
            "what gas costs in USD is unknown: no feed prices it",
            Untrusted,
            remedy="Until one does no ROUTINE trade buys. Set KEEPER_NATIVE_FEED to the native coin's feed in USD; the "
            'line "contracts" says why the present one does not fit.',
        )
    return failed(
        f"gas is priced by {coin.feed}, which is {coin.trust.value}: {coin.reason}",
        Untrusted,
        remedy="Until it is FRESH no ROUTINE trade buys. Look at the feed on chain. If it has stopped, set "
        "KEEPER_NATIVE_FEED to another feed of the native coin in USD.",
    )


def _opinions(context: DoctorContext) -> tuple[Opinion, ...]:
    symbols = context.snapshot.symbols
    with exchange_opinions(context.settings, context.policy) as sources:
        return sources.read(symbols, context.snapshot.block.timestamp) if sources is not None else ()


def _memory(settings: Settings) -> tuple[FeedMemory, ...]:
    with Journal.open_if_there(settings.journal_url) as journal:
        record = StoredRecords(journal).last_informed()
    last = record.inputs if record is not None else None
    return updated_memory(last.memory, last.snapshot) if last is not None else ()


def second_opinions(context: DoctorContext) -> Diagnosis:
    oracle = context.policy.oracle
    counts = usable_opinions(context.snapshot, context.opinions, oracle)
    detail = ", ".join(f"{symbol} {count}" for symbol, count in counts.items())
    if min(counts.values()) < max(1, oracle.min_opinions):
        return warning(
            f"usable sources besides the feed: {detail}",
            remedy=f"An asset with fewer than oracle.min_opinions, {oracle.min_opinions}, is not bought. Without "
            "another source only the jump guard limits a feed. `keeper rebalance --simulate --verbose` shows why each "
            "source is unusable.",
        )
    return ok(f"usable sources besides the feed: {detail}")


def oracle_gap(context: DoctorContext) -> Diagnosis:
    gaps = {
        feed.symbol: abs(feed.price - reserve.market_price) / reserve.market_price * BPS
        for feed, reserve in zip(context.snapshot.feeds, context.snapshot.reserves, strict=True)
        if reserve.market_price > 0
    }
    symbol, limit = max(gaps, key=gaps.__getitem__), context.policy.decision.max_oracle_gap_bps
    detail = f"{symbol}: {gaps[symbol]:.1f} bps from the lending market's oracle; the limit is {limit}"
    if gaps[symbol] > limit:
        return failed(
            detail,
            Untrusted,
            remedy="The feed or the lending market's oracle is wrong. Compare both with the market.",
        )
    return ok(detail)


def history(context: DoctorContext) -> Diagnosis:
    estimate = context.policy.estimate
    with Journal.open_if_there(context.settings.journal_url) as journal:
        rounds = MemoryRounds(StoredRounds(journal))
        rounds.extend(context.node.read(rounds.last_known(), estimate.history_s).new_rounds)
        since = context.snapshot.block.timestamp - estimate.history_s
        recent = rounds.since(since)
        symbols = context.snapshot.risk_symbols
        series = [
            exchange_series(symbol, name)
            for symbol in symbols
            for name in venues(context.settings)
            if name in CANDLE_VENUES
        ]
        candles = StoredBars(journal).closes([*symbols, *series], since)
    bars = price_bars(recent, context.snapshot, context.policy, candles=candles)
    counts = {
        symbol: int(np.isfinite(bars.closes[:, column]).sum())
        for column, symbol in enumerate(context.snapshot.risk_symbols)
    }
    symbol = min(counts, key=counts.__getitem__)
    detail = f"{symbol} has the fewest bars, {counts[symbol]:,}; {estimate.min_bars:,} are needed"
    if counts[symbol] < estimate.min_bars:
        return failed(
            detail,
            Untrusted,
            remedy="Run `keeper data backfill`, wait, or lower estimate.min_bars if you accept a worse estimate.",
        )
    return ok(detail + slow_feeds_detail(bars, context.policy))


def slow_feeds_detail(bars: PriceBars, policy: Policy) -> str:
    """Which feeds are slow, and whether candles of exchanges help each; empty without any."""
    slow = slow_feeds(bars)
    if not slow:
        return ""
    helping = exchange_bars(bars, tuple(slow), policy)
    factors = few_moves_factors(bars.closes, policy.estimate)
    added = dict(zip(bars.symbols, (factors - 1.0).tolist(), strict=True))
    listed = []
    for symbol, share in slow.items():
        exchanges = [each.exchange for each in helping if symbol in each.symbols]
        if len(exchanges) >= ENOUGH_EXCHANGES:
            source = f"its risk comes from candles of {', '.join(exchanges)}"
        elif exchanges:
            source = (
                f"candles of {exchanges[0]} can only raise its risk, because no second exchange agrees, and few moves "
                f"raise its volatility by {added[symbol]:.1%}"
            )
        else:
            source = (
                "no exchange's candles help it yet: correlations come from overlapping moves, and few moves raise its "
                f"volatility by {added[symbol]:.1%}"
            )
        listed.append(f"{symbol} in {share:.0%} ({source})")
    return f"; slow feeds, with new prices in few of the last 7 days' bars: {', '.join(listed)}"


def implied_volatility(context: DoctorContext) -> Diagnosis:
    policy, where = context.policy, endpoints(context.settings)
    configured = (asset.implied_underlying for asset in policy.assets)
    underlyings = tuple(dict.fromkeys(name for name in configured if name is not None))
    with closing(Deribit(where.deribit_url)) as deribit:
        readings = deribit.read(underlyings, context.snapshot.block.timestamp, policy.decision.horizon_s)
    missing = [reading for reading in readings if reading.volatility is None]
    if missing:
        return failed(
            "; ".join(f"{reading.underlying}: {reading.reason}" for reading in missing),
            FeedUnavailable,
            remedy="The keeper uses the last good value for a while, then history alone. Check KEEPER_DERIBIT_URL.",
        )
    listed = ", ".join(
        f"{reading.underlying} {reading.volatility:.1%}"
        for reading in readings
        if reading.volatility is not None
    )
    return ok(listed)
