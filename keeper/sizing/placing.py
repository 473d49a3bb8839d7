"""Which collateral stands in which account and which debt is owed where, at least cost of carry: a linear programme.

Interest after our own action grows faster than the debt, and what collateral yields slower than the collateral. Both
are cut into chords, so that both costs are convex and the cheapest placement is a vertex. One account needs none of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from keeper.domain.placement import PlacedAccount, Placement
from keeper.sizing.account_floors import Floors, floor_rows
from keeper.sizing.account_terms import AccountTerms, Chord, Terms
from keeper.sizing.programme import Programme, Solved

NEGLIGIBLE = 1e-7
"""Part of all collateral below which an amount is the solver's rounding."""
FURTHER_ACCOUNT = 1.001
"""What comes where nothing stands yet costs so many times as much: of equals, the account in use."""
IDLE_COST = 10.0
"""A year's cost of collateral that no account takes: more than any interest."""
STAYING = 5.0
"""A year's cost of what moves, where nothing shall move that need not: more than any interest."""


def placed(
    terms: Terms, values_usd: Sequence[float], debt_usd: float, floors: Floors, *, move_cost: float = 0.0
) -> Placement | None:
    """The cheapest placement of these values of the assets and this debt. ``move_cost`` is a year's cost of a USD that
    changes account, beside its interest. None where the accounts cannot hold it.

    Collateral that cannot leave and debt that cannot be repaid is held and owed, whatever is asked for. Raises
    SolverFailed."""
    totals = _totals(terms, values_usd, debt_usd)
    if math.fsum(totals.values_usd) <= 0.0:
        return None
    programme, share = _holding(terms, totals, floors, idle_cost=IDLE_COST), floors.max_venue_share
    over_usd, over_share = 0.0, ""
    if share < 1.0:
        excess = _smallest_excess(terms, totals, floors)
        if excess is None:
            return None
        over_usd, over_share = excess
        beyond = _limit_venues(programme, terms, share, cost=0.0)
        allowed = over_usd + NEGLIGIBLE * math.fsum(totals.values_usd)
        programme.at_most(dict.fromkeys(beyond, 1.0), allowed, "max_venue_share")
    _price_carry(programme, terms)
    _price_moves(programme, terms, move_cost)
    solved = programme.solved()
    return replace(_placement(solved, terms), over_share=over_share) if solved is not None else None


def most_leverage(
    terms: Terms, unit_usd: Sequence[float], floors: Floors, *, own_usd: float, worth: float, most: float
) -> tuple[float, str] | None:
    """The largest leverage, at most ``most``, at which the accounts hold ``unit_usd`` times it, and what binds there.
    None where there is no leverage at which they hold it.

    ``own_usd`` is NAV without what stays idle: the rest of the collateral is debt. No debt is taken that costs more
    than ``worth`` a year. Collateral that cannot leave is held at any leverage. Raises SolverFailed."""
    whole = math.fsum(unit_usd)
    if whole <= 0.0:
        return None
    programme = Programme(whole)
    gross = programme.column("gross", cost=-1.0, most=most * whole)
    _place(programme, terms, floors, idle_cost=0.0)
    stuck = [programme.column(f"stuck {index}", most=most) for index, most in enumerate(_stuck(terms))]
    for index, value in enumerate(unit_usd):
        row = {_collateral(account, index): 1.0 for account in terms.accounts}
        programme.equals(row | {_idle(index): 1.0, gross: -value / whole, stuck[index]: -1.0}, 0.0)
    owed = {_debt(account): -1.0 for account in terms.accounts}
    programme.at_most({gross: 1.0} | owed | dict.fromkeys(stuck, 1.0), own_usd, "")
    _limit_debt(programme, terms, levering=True, worth=worth)
    solved = programme.solved()
    return (solved.values[gross] / whole, solved.binding) if solved is not None else None


def as_held(terms: Terms) -> Placement:
    """The placement of today."""
    collateral = [account.held_usd for account in terms.accounts]
    debts = [account.owed_usd for account in terms.accounts]
    return Placement(
        symbols=terms.symbols,
        accounts=_accounts(terms, collateral, debts),
        carry_usd=_carry(terms, collateral, debts),
        moved_usd=0.0,
        binding="",
    )


# ------------------------------------------------------------------ the programme


@dataclass(frozen=True, slots=True)
class _Totals:
    values_usd: tuple[float, ...]
    debt_usd: float


def _totals(terms: Terms, values_usd: Sequence[float], debt_usd: float) -> _Totals:
    """With what is stuck. Collateral that stays beyond the values is paid with debt that is not repaid."""
    values = tuple(max(value, stuck) for value, stuck in zip(values_usd, _stuck(terms), strict=True))
    unpayable = math.fsum(account.min_owed_usd for account in terms.accounts)
    return _Totals(values, max(debt_usd + math.fsum(values) - math.fsum(values_usd), unpayable))


def _stuck(terms: Terms) -> list[float]:
    """By asset, what cannot leave its accounts."""
    return [
        math.fsum(min(account.min_usd[index], account.held_usd[index]) for account in terms.accounts)
        for index in range(len(terms.symbols))
    ]


def _holding(terms: Terms, totals: _Totals, floors: Floors, *, idle_cost: float) -> Programme:
    programme = Programme(math.fsum(totals.values_usd))
    _place(programme, terms, floors, idle_cost=idle_cost)
    for index, value in enumerate(totals.values_usd):
        row = {_collateral(account, index): 1.0 for account in terms.accounts}
        programme.equals(row | {_idle(index): 1.0}, value)
    programme.equals({_debt(account): 1.0 for account in terms.accounts}, totals.debt_usd)
    _limit_debt(programme, terms, levering=False)
    return programme


def _place(programme: Programme, terms: Terms, floors: Floors, *, idle_cost: float) -> None:
    """Columns of collateral and debt, and the rows of each account and of each market's supplies."""
    for index, idle in enumerate(terms.idle_usd):
        programme.column(_idle(index), cost=idle_cost, most=idle)
    for account in terms.accounts:
        for index in range(len(terms.symbols)):
            programme.column(
                _collateral(account, index),
                minimum=min(account.min_usd[index], account.held_usd[index]),
                most=account.most_usd[index],
                limit=f"{terms.symbols[index]} cannot be supplied more in {account.name}",
            )
        programme.column(_debt(account), minimum=account.min_owed_usd, most=account.most_owed_usd)
        _keep_floors(programme, account, floors)
    _limit_supplies(programme, terms)


def _keep_floors(programme: Programme, account: AccountTerms, floors: Floors) -> None:
    for row in floor_rows(account, floors):
        name = f"{row.name} of {account.name}"
        if math.isinf(row.floor):
            programme.at_most({_debt(account): 1.0}, account.min_owed_usd, name)
            continue
        collateral = {_collateral(account, index): -value for index, value in enumerate(row.counted)}
        programme.at_most(collateral | {_debt(account): row.floor}, row.lacking_usd, name)


def _limit_supplies(programme: Programme, terms: Terms) -> None:
    for market, of_market in enumerate(terms.markets):
        for index, most in enumerate(of_market.most_usd):
            if math.isfinite(most):
                row = {_collateral(account, index): 1.0 for account in _on(terms, market)}
                programme.at_most(row, most, f"supply_cap:{terms.symbols[index]} of {_names(terms, market)}")


def _smallest_excess(terms: Terms, totals: _Totals, floors: Floors) -> tuple[float, str] | None:
    """USD that protocols must hold beyond their shares, and why. It comes before interest and moves, but not before
    floors, and it leaves nothing idle: one protocol's closing sells nothing that stands in another."""
    programme, share = _holding(terms, totals, floors, idle_cost=IDLE_COST), floors.max_venue_share
    beyond = _limit_venues(programme, terms, share, cost=1.0)
    solved = programme.solved()
    if solved is None:
        return None
    over_usd = math.fsum(solved.values[column] for column in beyond)
    if over_usd <= NEGLIGIBLE * math.fsum(totals.values_usd):
        return over_usd, ""
    why = solved.binding or "no other protocol takes it"
    return over_usd, f"{over_usd:,.0f} USD stand beyond size.max_venue_share: {why}"


def _limit_venues(programme: Programme, terms: Terms, share: float, *, cost: float) -> list[str]:
    """The columns of what each protocol holds beyond its share."""
    places, columns = range(len(terms.symbols)), []
    for kind in dict.fromkeys(account.kind for account in terms.accounts):
        row = {
            _collateral(account, index): (1.0 if account.kind is kind else 0.0) - share
            for account in terms.accounts
            for index in places
        }
        columns.append(programme.column(f"beyond {kind.value}", cost=cost))
        # Where it is the aim itself, something else binds.
        name = "" if cost else f"max_venue_share of {kind.value}"
        programme.at_most(row | {columns[-1]: -1.0}, 0.0, name)
    return columns


def _limit_debt(programme: Programme, terms: Terms, *, levering: bool, worth: float = math.inf) -> None:
    for market, of_market in enumerate(terms.markets):
        row = {_debt(account): 1.0 for account in _on(terms, market)}
        limits = [
            (limit.name, limit.most_usd) for limit in of_market.debt_limits if levering or not limit.levering
        ]
        if levering and math.isfinite(worth):
            affordable = [chord.width_usd for chord in of_market.interest if chord.rate <= worth]
            limits.append(("carry_worth", math.fsum(affordable)))
        unpayable = math.fsum(account.min_owed_usd for account in _on(terms, market))
        for name, most in limits:
            if math.isfinite(most):
                programme.at_most(row, max(most, unpayable), f"{name} of {_names(terms, market)}")


def _price_carry(programme: Programme, terms: Terms) -> None:
    for market, of_market in enumerate(terms.markets):
        chords = [
            programme.column(f"interest {market} {step}", cost=chord.rate, most=chord.width_usd)
            for step, chord in enumerate(of_market.interest)
        ]
        row = {_debt(account): 1.0 for account in _on(terms, market)}
        programme.equals(row | dict.fromkeys(chords, -1.0), 0.0)
        for index, yields in enumerate(of_market.yields):
            earning = [
                programme.column(f"yield {market} {index} {step}", cost=-chord.rate, most=chord.width_usd)
                for step, chord in enumerate(yields)
            ]
            if earning:
                supplied = {_collateral(account, index): -1.0 for account in _on(terms, market)}
                programme.at_most(supplied | dict.fromkeys(earning, 1.0), 0.0, "")


def _price_moves(programme: Programme, terms: Terms, move_cost: float) -> None:
    """What an account has more than today. All that is bought counts as well, wherever it goes."""
    if move_cost <= 0.0:
        return
    for account in terms.accounts:
        pairs = [
            (_debt(account), account.owed_usd),
            *((_collateral(account, index), held) for index, held in enumerate(account.held_usd)),
        ]
        for column, now in pairs:
            factor = 1.0 if now else FURTHER_ACCOUNT
            more = programme.column(f"more {column}", cost=move_cost * factor)
            programme.at_most({column: 1.0, more: -1.0}, now, "")


def _on(terms: Terms, market: int) -> Iterator[AccountTerms]:
    return (account for account in terms.accounts if account.market == market)


def _names(terms: Terms, market: int) -> str:
    return ", ".join(account.name for account in _on(terms, market))


def _collateral(account: AccountTerms, index: int) -> str:
    return f"collateral {account.place} {index}"


def _debt(account: AccountTerms) -> str:
    return f"debt {account.place}"


def _idle(index: int) -> str:
    return f"idle {index}"


# --------------------------------------------------------------------- the result


def _placement(solved: Solved, terms: Terms) -> Placement:
    values = [
        [solved.values[_collateral(account, index)] for index in range(len(terms.symbols))]
        for account in terms.accounts
    ]
    rounding = NEGLIGIBLE * math.fsum(math.fsum(of_account) for of_account in values)
    collateral = [
        [_cleaned(value, now, rounding) for value, now in zip(row, account.held_usd, strict=True)]
        for row, account in zip(values, terms.accounts, strict=True)
    ]
    debts = [
        _cleaned(solved.values[_debt(account)], account.owed_usd, rounding) for account in terms.accounts
    ]
    return Placement(
        symbols=terms.symbols,
        accounts=_accounts(terms, collateral, debts),
        carry_usd=_carry(terms, collateral, debts),
        moved_usd=_moved(terms, collateral, debts),
        binding=solved.binding,
    )


def _moved(terms: Terms, collateral: Sequence[Sequence[float]], debts: Sequence[float]) -> float:
    """What accounts have more, less what all of them together have more. What stays idle is no part of either."""
    held, owed = [account.held_usd for account in terms.accounts], [a.owed_usd for a in terms.accounts]
    more = math.fsum(_more(after, before) for after, before in zip(collateral, held, strict=True))
    sums = [
        [math.fsum(row[index] for row in rows) for index in range(len(terms.symbols))]
        for rows in (collateral, held)
    ]
    new = _more(sums[0], sums[1]) + max(0.0, math.fsum(debts) - math.fsum(owed))
    return max(0.0, more + _more(debts, owed) - new)


def _accounts(
    terms: Terms, collateral: Sequence[Sequence[float]], debts: Sequence[float]
) -> tuple[PlacedAccount, ...]:
    return tuple(
        PlacedAccount(account.place, tuple(values), debt)
        for account, values, debt in zip(terms.accounts, collateral, debts, strict=True)
    )


def _cleaned(value: float, now: float, rounding: float) -> float:
    """The solver's rounding moves nothing, and leaves nothing behind."""
    if abs(value - now) <= rounding:
        return now
    return value if value > rounding else 0.0


def _more(after: Iterable[float], before: Iterable[float]) -> float:
    return math.fsum(max(0.0, to - at) for to, at in zip(after, before, strict=True))


def _carry(terms: Terms, collateral: Sequence[Sequence[float]], debts: Sequence[float]) -> float:
    carry = 0.0
    for market, of_market in enumerate(terms.markets):
        on_it = [account.market == market for account in terms.accounts]
        owed = math.fsum(debt for debt, counts in zip(debts, on_it, strict=True) if counts)
        carry += _along(of_market.interest, owed)
        for index, yields in enumerate(of_market.yields):
            supplied = math.fsum(
                values[index] for values, counts in zip(collateral, on_it, strict=True) if counts
            )
            carry -= _along(yields, supplied)
    return carry


def _along(chords: Sequence[Chord], amount: float) -> float:
    total, left = 0.0, amount
    for chord in chords:
        total += min(left, chord.width_usd) * chord.rate
        left -= min(left, chord.width_usd)
    return total
