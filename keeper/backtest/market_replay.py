"""Makes a MarketSnapshot from a market path and a ledger, in place of reading a chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from keeper.backtest.ledger import Ledger, supply_rates
from keeper.backtest.venue import LendingTerms, SimulatedVenue
from keeper.domain.evidence import ImpliedReading, PriceBars
from keeper.domain.market import (
    Block,
    FeedReading,
    Holding,
    MarketSnapshot,
    Reserve,
    Round,
    SwapPool,
    Token,
    Trust,
    Vault,
    VaultAsset,
)
from keeper.domain.native_coin import COIN
from keeper.domain.path import MarketPath
from keeper.domain.plan import Quote, QuoteRequest
from keeper.domain.redemptions import Redemptions
from keeper.domain.units import USD, WAD
from keeper.domain.weekly_closure import WeeklyClosure
from keeper.lending.aave import AaveV3
from keeper.oracle import rules
from keeper.risk.market_hours import closed_bars, in_market_hours
from keeper.sizing.bounds import borrow_rate, utilisation_at_rate

CHAIN_ID = 1
HEARTBEAT_S = 3_600
KEEPER_WEI = 100 * WAD
BLOCK_GAS_LIMIT = 30_000_000
QUOTE_GAS = 100_000
IMPLIED_SOURCE = "DVOL"


class MarketReplay:
    """A market path as the keeper would have read it at any of its bars. Prices have 8 decimals, as feeds have. When an
    asset's prices stop, its last price stays."""

    def __init__(
        self,
        path: MarketPath,
        venue: SimulatedVenue,
        history_s: int,
        closed: Mapping[str, WeeklyClosure] = MappingProxyType({}),
    ) -> None:
        self.path = path
        self._closures = closed
        self.venue = venue
        self._last_open = _last_open(path, closed)
        self._answers = np.nan_to_num(
            np.take_along_axis(_carried(np.rint(path.closes * USD)), self._last_open, axis=0)
        )
        self._stable = np.rint(path.stable * USD)
        self._coin = np.nan_to_num(_carried(np.rint(path.native_usd[:, None] * USD)))[:, 0]
        self._window = history_s // path.bar_seconds
        before = np.full((self._window, len(path.symbols)), np.nan)
        self._closes = np.vstack([before, path.closes])
        first = int(path.times[0])
        self._times = np.concatenate(
            [first + path.bar_seconds * np.arange(-self._window, 0, dtype=np.int64), path.times]
        )
        known = np.isfinite(path.closes)
        self._begun = {
            symbol: int(path.times[np.argmax(known[:, column])])
            for column, symbol in enumerate(path.symbols)
            if known[:, column].any()
        }
        self._terms = {symbol: venue.terms(symbol) for symbol in (path.stable_symbol, *path.symbols)}
        self._tokens = {
            symbol: Token(symbol, _address(0xA0, number), terms.decimals)
            for number, (symbol, terms) in enumerate(self._terms.items())
        }
        self._others_owe = _others_owe(self._terms[path.stable_symbol], path.borrow_rate)
        self._supply_rate = dict(zip(path.symbols, supply_rates(venue, path.symbols), strict=True))

    def others_owe(self, t: int) -> float:
        """Whole tokens of the debt asset that others have borrowed at bar ``t``: as much as makes the reserve's curve
        ask the recorded rate, and what the venue says where none is recorded."""
        return float(self._others_owe[t])

    def bars(self, t: int, columns: NDArray[np.intp]) -> PriceBars:
        """The same bars that ``keeper.risk.bars.sampled_bars`` makes when these prices are published as rounds."""
        rows = slice(t + 1, t + 1 + self._window)
        symbols = tuple(self.path.symbols[column] for column in columns)
        bars = PriceBars(
            symbols,
            self.path.bar_seconds,
            self._times[rows],
            closes=self._closes[rows][:, columns],
            begun={symbol: self._begun[symbol] for symbol in symbols if symbol in self._begun},
        )
        return in_market_hours(bars, self._closures)

    def implied(self, t: int) -> tuple[ImpliedReading, ...]:
        """The last value known of each underlying; none before its first."""
        now = int(self.path.times[t])
        readings = []
        for series in self.path.implied:
            position = int(np.searchsorted(series.times, now, side="right")) - 1
            if position >= 0:
                volatility, at = float(series.volatility[position]), int(series.times[position])
                readings.append(
                    ImpliedReading(series.underlying, volatility, at, source=IMPLIED_SOURCE, reason="")
                )
        return tuple(readings)

    def snapshot(self, t: int, columns: NDArray[np.intp], ledger: Ledger) -> MarketSnapshot:
        """The block at the close of bar ``t``, for the assets in ``columns``."""
        path, venue = self.path, self.venue
        now = int(path.times[t])
        cash_symbol = path.stable_symbol
        symbols = (cash_symbol, *(path.symbols[column] for column in columns))
        answers = [int(self._stable[t]), *(int(self._answers[t, column]) for column in columns)]
        fresh = [
            True,
            *(bool(np.isfinite(path.closes[self._last_open[t, column], column])) for column in columns),
        ]
        feeds = tuple(
            self._in_hours(
                _reading(symbol, self._tokens[symbol].address, answer, known=known, t=t, now=now), now
            )
            for symbol, answer, known in zip(symbols, answers, fresh, strict=True)
        )
        owed = _raw(ledger.debt, self._terms[cash_symbol].decimals)
        holdings = (
            Holding(cash_symbol, _raw(ledger.cash, self._terms[cash_symbol].decimals), 0, owed=owed),
            *(
                Holding(symbol, 0, _raw(ledger.amounts[column], self._terms[symbol].decimals), owed=0)
                for symbol, column in zip(symbols[1:], columns, strict=True)
            ),
        )
        reserves = tuple(
            self._reserve(self._terms[symbol], answer, holding, t=t)
            for symbol, answer, holding in zip(symbols, answers, holdings, strict=True)
        )
        tokens = tuple(self._tokens[symbol] for symbol in symbols)
        aave = AaveV3.on(tokens, reserves)
        return MarketSnapshot(
            block=Block(
                chain_id=CHAIN_ID,
                number=t,
                hash=f"0x{now:064x}",
                timestamp=now,
                base_fee_wei=int(path.gas_price_wei[t]),
                gas_limit=BLOCK_GAS_LIMIT,
            ),
            tokens=tokens,
            feeds=feeds,
            reserves=reserves,
            holdings=holdings,
            account=aave.account({holding.symbol: holding.supplied for holding in holdings}, owed),
            vault=self._vault(symbols, ledger, now),
            sequencer=None,
            flash_premium_bps=venue.flash_premium_bps,
            keeper_address=_address(0xCA, 0),
            keeper_balance_wei=KEEPER_WEI,
            keeper_has_role=True,
            pools=(),
            l1_fee_wei=0,
            redemptions=Redemptions(0, 0, 0),
            depths=(),
            native_coin=_reading(
                COIN, COIN_FEED, int(self._coin[t]), known=bool(np.isfinite(path.native_usd[t])), t=t, now=now
            ),
        )

    def _in_hours(self, reading: FeedReading, now: int) -> FeedReading:
        """A backtest has no other source of the price of a closed market. A price that was missing before stays so."""
        closure = self._closures.get(reading.symbol)
        if closure is None or closure.is_open(now) or reading.trust is not Trust.FRESH:
            return reading
        return rules.CLOSED.applied_to(reading, "its market is closed")

    def quote(self, request: QuoteRequest, snapshot: MarketSnapshot) -> Quote:
        """The quote of the venue's pools along the route."""
        symbols = request.route.symbols
        sold, bought = snapshot.index(symbols[0]), snapshot.index(symbols[-1])
        usd = request.amount_in * snapshot.feeds[sold].price / 10 ** (snapshot.tokens[sold].decimals + 8)
        for token_in, token_out, fee in zip(symbols, symbols[1:], request.route.fees, strict=False):
            pool = self.venue.pool(token_in, token_out, fee)
            if pool is None:
                return Quote(request.route, request.amount_in, None, gas=0)
            usd = pool.out_usd(usd, self.venue.fee_multiple)
        out = int(usd / snapshot.feeds[bought].price * 10 ** (snapshot.tokens[bought].decimals + 8))
        gas = QUOTE_GAS * len(request.route.fees)
        return Quote(request.route, request.amount_in, out if out > 0 else None, gas=gas)

    def _reserve(self, terms: LendingTerms, answer: int, holding: Holding, t: int) -> Reserve:
        unit = 10**terms.decimals
        others = self.others_owe(t) if terms.symbol == self.path.stable_symbol else terms.borrowed
        borrowed = int(others * unit) + holding.owed
        supplied = terms.supplied * unit + holding.supplied
        rate = borrow_rate(terms.curve, borrowed / supplied)
        return Reserve(
            symbol=terms.symbol,
            a_token="",
            debt_token="",
            ltv_bps=terms.ltv_bps,
            liquidation_threshold_bps=terms.liquidation_threshold_bps,
            reserve_factor_bps=terms.reserve_factor_bps,
            active=True,
            frozen=False,
            paused=False,
            borrowing_enabled=True,
            flash_loan_enabled=True,
            supply_cap=terms.supply_cap,
            borrow_cap=terms.borrow_cap,
            supplied=supplied,
            borrowed=borrowed,
            available=max(0, supplied - borrowed),
            market_price=answer,
            price_source="",
            supply_rate=float(self._supply_rate.get(terms.symbol, 0.0)),
            borrow_rate=rate,
            curve=terms.curve,
        )

    def _vault(self, symbols: tuple[str, ...], ledger: Ledger, now: int) -> Vault:
        venue = self.venue
        return Vault(
            address=_address(0xBE, 0),
            rebalancer=_address(0xBE, 1),
            account=_address(0xBE, 2),
            epoch=ledger.epoch,
            last_rebalance=ledger.last_rebalance,
            paused=False,
            policy=venue.vault,
            assets=tuple(
                VaultAsset(
                    symbol,
                    self._tokens[symbol].address,
                    HEARTBEAT_S,
                    max_weight_bps=venue.max_weight_bps,
                    enabled=True,
                    slippage_bps=venue.slippage_bps,
                    lag_bps=venue.cash_lag_bps if symbol == symbols[0] else venue.lag_bps,
                    dust=0,
                    borrowable=symbol == symbols[0],
                )
                for symbol in symbols
            ),
            pools=tuple(
                SwapPool(_address(0xB0, place), pool.symbols, pool.fee)
                for place, pool in enumerate(venue.pools)
                if pool.fee in venue.fee_tiers
            ),
            used_daily_loss=ledger.loss.used(now),
            used_daily_turnover=ledger.turnover.used(now),
            levering_closed_until=ledger.levering_closed_until,
            reserved=0,
            total_assets=0,
            total_shares=0,
            pending_deposits=0,
        )


def at_last_known_prices(path: MarketPath) -> MarketPath:
    """The path with missing prices filled: closes and lows stay at the last close. It values assets that are held."""
    closes = _carried(path.closes)
    return replace(path, closes=closes, lows=np.where(np.isfinite(path.lows), path.lows, closes))


def with_prices_at_feed_precision(path: MarketPath) -> MarketPath:
    """Closes rounded to the 8 decimals of a feed, so that rounds and bars agree to the bit."""
    return replace(path, closes=np.rint(path.closes * USD) / USD)


def _others_owe(terms: LendingTerms, rates: NDArray[np.float64]) -> NDArray[np.float64]:
    recorded = [
        terms.borrowed if np.isnan(rate) else utilisation_at_rate(terms.curve, rate) * terms.supplied
        for rate in rates.tolist()
    ]
    return np.array(recorded, dtype=np.float64)


def _last_open(path: MarketPath, closed: Mapping[str, WeeklyClosure]) -> NDArray[np.intp]:
    """Of each bar and asset (T, n) the newest bar in which its market was open: a feed publishes in no other."""
    places = np.repeat(np.arange(len(path.times))[:, None], len(path.symbols), axis=1)
    for column, symbol in enumerate(path.symbols):
        if symbol in closed:
            mask = closed_bars(path.times, path.bar_seconds, closed[symbol])
            places[:, column] = np.maximum.accumulate(np.where(mask, 0, places[:, column]))
    return places


def _carried(prices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each column with gaps filled by its last price; NaN before its first."""
    last = np.maximum.accumulate(np.where(np.isfinite(prices), np.arange(len(prices))[:, None], 0), axis=0)
    return np.take_along_axis(prices, last, axis=0)


def _reading(symbol: str, feed: str, answer: int, *, known: bool, t: int, now: int) -> FeedReading:
    return FeedReading(
        symbol=symbol,
        feed=feed,
        round=Round(t + 1, answer, now),
        max_age_s=HEARTBEAT_S,
        trust=Trust.FRESH if known else Trust.STALE,
        reason="" if known else f"no price of {symbol} at this bar",
        rule="",
        min_answer=0,
        max_answer=0,
    )


def _raw(amount: float, decimals: int) -> int:
    return int(amount * 10**decimals)


def _address(family: int, number: int) -> str:
    return f"0x{family << 8 | number:040x}"


COIN_FEED = _address(0xE0, 0)
