"""What each of the vault's accounts allows and costs, as numbers of a linear programme. Money is in USD at the feeds'
prices; assets are in the order of the given symbols."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from keeper.domain.account_venue import VenueKind
from keeper.domain.accounts import accounts, showing
from keeper.domain.market import LendingAccount, MarketSnapshot, Reserve
from keeper.domain.policy import SizePolicy
from keeper.domain.units import BPS, unit
from keeper.lending.venues import SAMPLE_USD, morpho_blue, venue_of
from keeper.sizing.bounds import borrow_rate

CHORDS = 24
"""Pieces of a cost that grows faster than its size. Within one its marginal rate counts as constant."""


@dataclass(frozen=True, slots=True)
class Chord:
    """The next ``width_usd`` cost or yield ``rate`` a year."""

    width_usd: float
    rate: float


@dataclass(frozen=True, slots=True)
class DebtLimit:
    """The largest debt of a market's accounts together, by the name of the bound on leverage that it stands for.
    ``levering`` limits only what is borrowed more: a next_cost debt may stay until it is repaid."""

    name: str
    most_usd: float
    levering: bool = False


@dataclass(frozen=True, slots=True)
class AccountTerms:
    """``thresholds`` and ``ltvs``: debt at which one USD of the asset is liquidated, and up to which it may be borrowed
    against. ``min_usd`` cannot leave now, more than ``most_usd`` cannot be supplied, ``min_owed_usd`` cannot be repaid
    now, and more than ``most_owed_usd`` may not be owed. Accounts with the same ``market`` share its reserves."""

    place: int
    kind: VenueKind
    market: int
    thresholds: tuple[float, ...]
    ltvs: tuple[float, ...]
    held_usd: tuple[float, ...]
    min_usd: tuple[float, ...]
    most_usd: tuple[float, ...]
    owed_usd: float
    min_owed_usd: float
    most_owed_usd: float = math.inf

    @property
    def name(self) -> str:
        return f"account {self.place} on {self.kind.value}"


@dataclass(frozen=True, slots=True)
class MarketTerms:
    """What accounts on the same reserves share: caps, liquidity, and rates after our own action. Where rates move by
    themselves, debt that is owed costs the lowest rate of the time ahead, and further debt the highest. So no debt
    comes back within that time because of the rate that it left behind."""

    most_usd: tuple[float, ...]
    debt_limits: tuple[DebtLimit, ...]
    interest: tuple[Chord, ...]
    yields: tuple[tuple[Chord, ...], ...]


@dataclass(frozen=True, slots=True)
class Terms:
    symbols: tuple[str, ...]
    accounts: tuple[AccountTerms, ...]
    markets: tuple[MarketTerms, ...]
    idle_usd: tuple[float, ...]

    def without_more(self) -> Terms:
        """No account takes more collateral or debt than it has."""
        held = tuple(
            replace(account, most_usd=account.held_usd, most_owed_usd=account.owed_usd)
            for account in self.accounts
        )
        return replace(self, accounts=held)


def terms_of(
    snapshot: MarketSnapshot, symbols: Sequence[str], policy: SizePolicy, *, horizon_s: int = 0
) -> Terms:
    """Of all accounts that the keeper manages. Each ``symbol`` is a risk asset of the snapshot. ``horizon_s``: how long
    the debt will stand as it is placed."""
    held = accounts(snapshot)
    keys = [account.venue.market for account in held]
    distinct = list(dict.fromkeys(keys))
    of_market = [
        [account for account, key in zip(held, keys, strict=True) if key == market] for market in distinct
    ]
    return Terms(
        symbols=tuple(symbols),
        accounts=tuple(
            _account(account, distinct.index(key), snapshot, symbols=symbols)
            for account, key in zip(held, keys, strict=True)
        ),
        markets=tuple(
            _market(group, snapshot, symbols, policy=policy, horizon_s=horizon_s) for group in of_market
        ),
        idle_usd=tuple(snapshot.value_usd(symbol, snapshot.holding(symbol).idle) for symbol in symbols),
    )


def _account(
    account: LendingAccount, market: int, snapshot: MarketSnapshot, symbols: Sequence[str]
) -> AccountTerms:
    seen = showing(snapshot, account.venue.place)
    venue, cash = venue_of(seen), snapshot.debt_token.symbol
    cash_raw = snapshot.raw_worth(cash, SAMPLE_USD) if snapshot.price(cash) > 0 else 0
    cash_value = venue.cash_value(cash_raw)
    thresholds, ltvs, held, minimum, most = [], [], [], [], []
    for symbol in symbols:
        index = snapshot.index(symbol)
        reserve, supplied = account.reserves[index], account.supplied[index]
        raw = snapshot.raw_worth(symbol, SAMPLE_USD) if snapshot.price(symbol) > 0 else 0
        counts = bool(raw and cash_value)
        # A venue's oracle that stands still above the feed makes no collateral worth more.
        by_venue = venue.secured_value({symbol: raw}) / BPS / cash_value if counts else 0.0
        thresholds.append(min(by_venue, reserve.liquidation_threshold_bps / BPS))
        by_venue = venue.borrowing_capacity({symbol: raw}) / cash_raw if counts else 0.0
        ltvs.append(min(by_venue, reserve.ltv_bps / BPS))
        value = snapshot.value_usd(symbol, supplied)
        held.append(value)
        stays = supplied if reserve.paused or not reserve.active else max(0, supplied - reserve.available)
        minimum.append(snapshot.value_usd(symbol, stays))
        takes_more = _takes_more(reserve, snapshot) and by_venue > 0.0
        most.append(math.inf if takes_more else value)
    debt, owed = account.reserves[0], snapshot.value_usd(cash, account.owed[0])
    return AccountTerms(
        place=account.venue.place,
        kind=account.venue.kind,
        market=market,
        thresholds=tuple(thresholds),
        ltvs=tuple(ltvs),
        held_usd=tuple(held),
        min_usd=tuple(minimum),
        most_usd=tuple(most),
        owed_usd=owed,
        min_owed_usd=0.0 if debt.active and not debt.paused else owed,
    )


def _takes_more(reserve: Reserve, snapshot: MarketSnapshot) -> bool:
    open_ = reserve.active and not reserve.frozen and not reserve.paused and reserve.ltv_bps > 0
    return open_ and snapshot.vault.asset(reserve.symbol).enabled


# -------------------------------------------------------------------- one market


def _market(
    group: Sequence[LendingAccount],
    snapshot: MarketSnapshot,
    symbols: Sequence[str],
    *,
    policy: SizePolicy,
    horizon_s: int,
) -> MarketTerms:
    """``group`` are the accounts on it. Their reserves differ only in what an eMode makes of the same token."""
    reserves = group[0].reserves
    owed = sum(account.owed[0] for account in group)
    limits = _debt_limits(reserves[0], owed, snapshot, policy=policy)
    rate = _rate_at(group[0], owed, snapshot, horizon_s=horizon_s)
    owed_usd = snapshot.value_usd(snapshot.debt_token.symbol, owed)
    highest = max(owed_usd, min(limit.most_usd for limit in limits))
    dearest = DebtLimit("carry", _debt_at_rate(rate.lasting, policy.max_borrow_rate, highest), levering=True)
    held = [sum(account.supplied[snapshot.index(symbol)] for account in group) for symbol in symbols]
    taken = [reserves[snapshot.index(symbol)] for symbol in symbols]
    return MarketTerms(
        most_usd=tuple(
            _supply_limit(reserve, amount, snapshot, share=policy.market_share)
            for reserve, amount in zip(taken, held, strict=True)
        ),
        debt_limits=(*limits, dearest),
        interest=_interest(rate, owed_usd, highest),
        yields=tuple(_yields(reserve, amount, snapshot) for reserve, amount in zip(taken, held, strict=True)),
    )


def _supply_limit(reserve: Reserve, held: int, snapshot: MarketSnapshot, *, share: float) -> float:
    """As the bound ``supply_cap`` has it."""
    if reserve.supply_cap == 0:
        return math.inf
    decimals = snapshot.token(reserve.symbol).decimals
    free = max(0, reserve.supply_cap * unit(decimals) - reserve.supplied)
    return snapshot.value_usd(reserve.symbol, math.floor(max(float(held), share * (free + held))))


def _debt_limits(
    reserve: Reserve, owed: int, snapshot: MarketSnapshot, policy: SizePolicy
) -> tuple[DebtLimit, ...]:
    """As the bounds of these names have them."""
    token, share = snapshot.debt_token, policy.market_share
    raw: dict[str, float] = {}
    closed = not reserve.borrowing_enabled or not reserve.active or reserve.frozen or reserve.paused
    if closed or not snapshot.vault.asset(token.symbol).borrowable:
        raw["borrow_cap"] = owed
    elif reserve.borrow_cap:
        raw["borrow_cap"] = share * (
            max(0, reserve.borrow_cap * unit(token.decimals) - reserve.borrowed) + owed
        )
    raw["liquidity"] = share * (reserve.available + owed)
    raw["utilisation"] = (
        owed + policy.max_utilisation * (reserve.available + reserve.borrowed) - reserve.borrowed
    )
    return tuple(
        DebtLimit(name, snapshot.value_usd(token.symbol, math.floor(max(float(owed), most))))
        for name, most in raw.items()
    )


@dataclass(frozen=True, slots=True)
class _Rate:
    """Yearly rates by the USD that the market's accounts owe together, ``owed_usd`` now. ``growth`` is what the market
    multiplies the rate by until the horizon, 1 where it adapts nothing."""

    at: Callable[[float], float]
    growth: Callable[[float], float]
    owed_usd: float

    def factor(self, debt_usd: float) -> float:
        """The lowest of the time ahead for debt that is owed, the highest for more."""
        grown = self.growth(debt_usd)
        return min(1.0, grown) if debt_usd <= self.owed_usd else max(1.0, grown)

    def lasting(self, debt_usd: float) -> float:
        return self.at(debt_usd) * self.factor(debt_usd)


def _rate_at(account: LendingAccount, owed: int, snapshot: MarketSnapshot, *, horizon_s: int) -> _Rate:
    """``owed`` raw by the market's accounts together."""
    cash, reserve, market = snapshot.debt_token.symbol, account.reserves[0], account.venue.market
    raw_per_usd = snapshot.raw_worth(cash, SAMPLE_USD) / SAMPLE_USD if snapshot.price(cash) > 0 else 0.0
    owed_usd = snapshot.value_usd(cash, owed)
    if market is not None:
        venue = morpho_blue(market, cash)

        def more(debt_usd: float) -> int:
            return round(debt_usd * raw_per_usd) - owed

        return _Rate(
            at=lambda debt_usd: venue.borrow_rate(more(debt_usd)),
            growth=lambda debt_usd: venue.rate_growth(more(debt_usd), horizon_s),
            owed_usd=owed_usd,
        )
    others, lendable = reserve.borrowed - owed, reserve.available + reserve.borrowed

    def on_aave(debt_usd: float) -> float:
        lent = (others + debt_usd * raw_per_usd) / lendable if lendable > 0 else 1.0
        return borrow_rate(reserve.curve, min(1.0, max(0.0, lent)))

    return _Rate(at=on_aave, growth=lambda _debt_usd: 1.0, owed_usd=owed_usd)


def _debt_at_rate(rate: Callable[[float], float], highest: float, most_usd: float) -> float:
    """The largest debt at which the rate is at most ``highest``."""
    if rate(most_usd) <= highest:
        return math.inf
    low, high = 0.0, most_usd
    for _ in range(40):
        middle = (low + high) / 2.0
        low, high = (middle, high) if rate(middle) <= highest else (low, middle)
    return low


def _interest(rate: _Rate, owed_usd: float, most_usd: float) -> tuple[Chord, ...]:
    """Marginal rates, which never fall. The last goes on for ever. What is owed now ends a chord."""
    points = sorted({owed_usd, *(most_usd * step / CHORDS for step in range(CHORDS + 1))})
    costs = [point * rate.at(point) for point in points]
    chords: list[Chord] = []
    for start, end, cost, next_cost in zip(points, points[1:], costs, costs[1:], strict=False):
        # What is owed costs no more than it does at the chord's start, further debt no less than at its end.
        factor = rate.factor(start if end <= owed_usd else end)
        marginal = (next_cost - cost) / (end - start) * factor
        chords.append(Chord(end - start, max(marginal, chords[-1].rate if chords else 0.0)))
    return (*chords, Chord(math.inf, chords[-1].rate if chords else rate.at(0.0)))


def _yields(reserve: Reserve, held: int, snapshot: MarketSnapshot) -> tuple[Chord, ...]:
    """Marginal yields, which never rise: what is supplied more shares the same interest."""
    if reserve.supply_rate <= 0.0:
        return ()
    supplied = snapshot.value_usd(reserve.symbol, reserve.available + reserve.borrowed)
    others = max(0.0, supplied - snapshot.value_usd(reserve.symbol, held))
    earned = reserve.supply_rate * supplied
    points = [supplied * step / CHORDS for step in range(CHORDS + 1)]
    incomes = [earned * point / (others + point) if point > 0.0 else 0.0 for point in points]
    return tuple(
        Chord(points[step + 1] - points[step], (incomes[step + 1] - incomes[step]) / (points[1] or 1.0))
        for step in range(CHORDS)
        if points[step + 1] > points[step]
    )
