"""Which collateral stands in which account and which debt is owed where, at least cost of carry: a linear programme.

Interest after our own action grows faster than the debt, and what collateral yields slower than the collateral. Both
are cut into chords, so that both costs are convex and the cheapest placement is a vertex. One account needs none of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from keeper.domain.placement import PlacedAccount, Placement
from keeper.domain.policy import SizePolicy
from keeper.sizing.account_terms import AccountTerms, Chord, Terms
from keeper.sizing.programme import Programme, Solved

FLOOR_MARGIN = 1.005
"""The cheapest placement puts an account on its floor. A trade that costs more than expected still ends above it."""
NEGLIGIBLE = 1e-7
"""Part of all collateral below which an amount is the solver's rounding."""
FURTHER_ACCOUNT = 1.001
"""What comes where nothing stands yet costs so many times as much: of equals, the account in use."""
IDLE_COST = 10.0
"""A year's cost of collateral that no account takes: more than any interest."""
CONCENTRATION_COST = 7.0
"""A year's cost of what one protocol holds beyond its share: more than staying, so that it moves where it can. It is no
limit on leverage: one protocol's closing sells nothing that stands in another."""
STAYING = 5.0
"""A year's cost of what moves, where nothing shall move that need not: more than any interest."""


@dataclass(frozen=True, slots=True)
class Floors:
    """What every account must keep. ``health_factor`` by the settings and the vault, ``vault_health_factor`` by the
    vault after the part ``largest_loss`` of the collateral is lost to trading, ``stress_health_factor`` after each of
    ``losses`` (fractions by asset). One protocol holds at most ``max_venue_share`` of the collateral, where others can
    hold the rest."""

    health_factor: float
    vault_health_factor: float
    largest_loss: float
    stress_health_factor: float
    losses: tuple[tuple[float, ...], ...]
    max_venue_share: float

    def times(self, factor: float) -> Floors:
        """Each floor times ``factor``."""
        return replace(
            self,
            health_factor=self.health_factor * factor,
            vault_health_factor=self.vault_health_factor * factor,
            stress_health_factor=self.stress_health_factor * factor,
        )


def placed(
    terms: Terms, values_usd: Sequence[float], debt_usd: float, floors: Floors, *, move_cost: float = 0.0
) -> Placement | None:
    """The cheapest placement of these values of the assets and this debt. ``move_cost`` is a year's cost of a USD that
    changes account, beside its interest. None where the accounts cannot hold it."""
    scale = math.fsum(values_usd)
    if scale <= 0.0:
        return None
    programme = Programme()
    _place(programme, terms, floors, move_cost=move_cost)
    for index, value in enumerate(values_usd):
        row = {_collateral(account, index): 1.0 for account in terms.accounts}
        programme.equals(row | {_idle(index): 1.0}, value)
    programme.equals({_debt(account): 1.0 for account in terms.accounts}, debt_usd)
    _limit_debt(programme, terms, levering=False)
    solved = programme.solved()
    return _placement(solved, terms, values_usd, debt_usd=debt_usd) if solved is not None else None


def most_leverage(
    terms: Terms, unit_usd: Sequence[float], floors: Floors, *, own_usd: float, worth: float, most: float
) -> tuple[float, str]:
    """The largest leverage, at most ``most``, at which the accounts hold ``unit_usd`` times it, and what binds there.

    ``own_usd`` is NAV without what stays idle: the rest of the collateral is debt. No debt is taken that costs more
    than ``worth`` a year."""
    programme = Programme()
    leverage = programme.column("leverage", cost=-max(1.0, own_usd), most=most)
    _place(programme, terms, floors, move_cost=0.0, priced=False)
    for index, value in enumerate(unit_usd):
        row = {_collateral(account, index): 1.0 for account in terms.accounts}
        programme.equals(row | {_idle(index): 1.0, leverage: -value}, 0.0)
    owed = {_debt(account): -1.0 for account in terms.accounts}
    programme.at_most({leverage: math.fsum(unit_usd)} | owed, own_usd, "")
    _limit_debt(programme, terms, levering=True, worth=worth)
    solved = programme.solved()
    if solved is None:
        return 0.0, "what must stay where it is"
    return solved.values[leverage], solved.binding


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


def _place(
    programme: Programme, terms: Terms, floors: Floors, *, move_cost: float, priced: bool = True
) -> None:
    """Columns of collateral and debt, and the rows of each account and of each market's supplies. In the search for the
    most leverage nothing is ``priced``."""
    for index, idle in enumerate(terms.idle_usd):
        programme.column(_idle(index), cost=IDLE_COST if priced else 0.0, most=idle)
    for account in terms.accounts:
        for index in range(len(terms.symbols)):
            programme.column(
                _collateral(account, index),
                minimum=min(account.min_usd[index], account.held_usd[index]),
                most=account.most_usd[index],
                limit=f"{terms.symbols[index]} cannot be supplied more in {account.name}",
            )
        programme.column(_debt(account), minimum=account.min_owed_usd)
        _keep_floors(programme, account, floors)
    _limit_supplies(programme, terms)
    if priced:
        _limit_venues(programme, terms, floors.max_venue_share)
        _price_carry(programme, terms)
        _price_moves(programme, terms, move_cost)


def _keep_floors(programme: Programme, account: AccountTerms, floors: Floors) -> None:
    places = range(len(account.thresholds))
    vault = floors.vault_health_factor
    rows: list[tuple[str, float, Sequence[float]]] = [
        ("health_factor", floors.health_factor, account.thresholds),
        (
            "vault_health_factor",
            vault,
            [threshold - vault * floors.largest_loss for threshold in account.thresholds],
        ),
        ("borrowing_power", 1.0, account.ltvs),
    ]
    rows += [
        (
            "stress",
            floors.stress_health_factor,
            [
                threshold * (1.0 - min(1.0, loss))
                for threshold, loss in zip(account.thresholds, losses, strict=True)
            ],
        )
        for losses in floors.losses
    ]
    for name, floor, counted in rows:
        if math.isinf(floor):
            programme.at_most({_debt(account): 1.0}, 0.0, f"{name} of {account.name}")
            continue
        row = {_collateral(account, index): -max(0.0, counted[index]) for index in places}
        programme.at_most(row | {_debt(account): floor}, 0.0, f"{name} of {account.name}")


def _limit_supplies(programme: Programme, terms: Terms) -> None:
    for market, of_market in enumerate(terms.markets):
        for index, most in enumerate(of_market.most_usd):
            if math.isfinite(most):
                row = {_collateral(account, index): 1.0 for account in _on(terms, market)}
                programme.at_most(row, most, f"supply_cap:{terms.symbols[index]} of {_names(terms, market)}")


def _limit_venues(programme: Programme, terms: Terms, share: float) -> None:
    if share >= 1.0:
        return
    places = range(len(terms.symbols))
    for kind in dict.fromkeys(account.kind for account in terms.accounts):
        row = {
            _collateral(account, index): (1.0 if account.kind is kind else 0.0) - share
            for account in terms.accounts
            for index in places
        }
        beyond = programme.column(f"beyond {kind.value}", cost=CONCENTRATION_COST)
        programme.at_most(row | {beyond: -1.0}, 0.0, f"max_venue_share of {kind.value}")


def _limit_debt(programme: Programme, terms: Terms, *, levering: bool, worth: float = math.inf) -> None:
    for market, of_market in enumerate(terms.markets):
        row = {_debt(account): 1.0 for account in _on(terms, market)}
        limits = [
            (limit.name, limit.most_usd) for limit in of_market.debt_limits if levering or not limit.levering
        ]
        if levering and math.isfinite(worth):
            affordable = [chord.width_usd for chord in of_market.interest if chord.rate <= worth]
            limits.append(("carry_worth", math.fsum(affordable)))
        for name, most in limits:
            if math.isfinite(most):
                programme.at_most(row, most, f"{name} of {_names(terms, market)}")


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


def _placement(solved: Solved, terms: Terms, values_usd: Sequence[float], debt_usd: float) -> Placement:
    rounding = NEGLIGIBLE * math.fsum(values_usd)
    collateral = [
        [
            _cleaned(solved.values[_collateral(account, index)], account.held_usd[index], rounding)
            for index in range(len(terms.symbols))
        ]
        for account in terms.accounts
    ]
    debts = [
        _cleaned(solved.values[_debt(account)], account.owed_usd, rounding) for account in terms.accounts
    ]
    more = math.fsum(
        _more(placed_now, account.held_usd) + max(0.0, debt - account.owed_usd)
        for account, placed_now, debt in zip(terms.accounts, collateral, debts, strict=True)
    )
    held = [
        math.fsum(account.held_usd[index] for account in terms.accounts)
        for index in range(len(terms.symbols))
    ]
    owed = math.fsum(account.owed_usd for account in terms.accounts)
    new = _more(values_usd, held) + max(0.0, debt_usd - owed)
    return Placement(
        symbols=terms.symbols,
        accounts=_accounts(terms, collateral, debts),
        carry_usd=_carry(terms, collateral, debts),
        moved_usd=max(0.0, more - new),
        binding=solved.binding,
    )


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


def floors_of(
    size: SizePolicy, *, vault_floor: float, largest_loss: float, losses: Iterable[Sequence[float]]
) -> Floors:
    """``losses`` are those after which an account must still have the stress health factor."""
    return Floors(
        health_factor=max(size.min_health_factor, vault_floor) * FLOOR_MARGIN,
        vault_health_factor=vault_floor,
        largest_loss=largest_loss,
        stress_health_factor=size.stress_health_factor,
        losses=tuple(tuple(loss) for loss in losses),
        max_venue_share=size.max_venue_share,
    )
