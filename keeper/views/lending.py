"""The vault's accounts, and the reserves of the lending market: what borrowing costs there, and what stops it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from keeper.domain.accounts import accounts
from keeper.domain.market import LendingAccount, MarketSnapshot, Reserve
from keeper.domain.units import health_factor_of
from keeper.views import formats as unit
from keeper.views.view import Field, View


def _stopped(reserve: Reserve) -> str:
    states = (
        ("inactive", not reserve.active),
        ("frozen", reserve.frozen),
        ("paused", reserve.paused),
        ("no borrowing", not reserve.borrowing_enabled),
    )
    return ", ".join(name for name, holds in states if holds) or "open"


RESERVE = View[Reserve](
    "reserves",
    symbol=Field(unit.TEXT, "The asset."),
    utilisation=Field(
        unit.FRACTION, "Borrowed / supplied.", lambda it: it.borrowed / it.supplied if it.supplied else None
    ),
    borrow_rate=Field(unit.FRACTION_2, "Rate of debt, a year."),
    supply_rate=Field(unit.FRACTION_2, "Rate of collateral, a year."),
    state=Field(unit.TEXT, "open, or what is stopped.", _stopped),
)


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account of the vault, at the prices of its feeds."""

    account: LendingAccount
    collateral_usd: float
    debt_usd: float


def account_rows(snapshot: MarketSnapshot) -> tuple[AccountRow, ...]:
    """In the vault's order. Those of protocols that the keeper does not manage are not among them."""

    def worth(amounts: tuple[int, ...]) -> float:
        pairs = zip(snapshot.symbols, amounts, strict=True)
        return math.fsum(snapshot.value_usd(symbol, raw) for symbol, raw in pairs)

    return tuple(
        AccountRow(account, worth(account.supplied), worth(account.owed)) for account in accounts(snapshot)
    )


ACCOUNT = View[AccountRow](
    "lending accounts",
    place=Field(unit.COUNT, "Its place in the vault's list, from 0.", "account.venue.place"),
    venue=Field(unit.TEXT, "Its protocol.", lambda it: it.account.venue.kind.value),
    address=Field(unit.TEXT, "Its address.", "account.address"),
    collateral_usd=Field(unit.USD, "Value that is supplied there."),
    debt_usd=Field(unit.USD, "Value that is owed there."),
    health_factor=Field(
        unit.RATIO,
        "Its health factor; null without debt.",
        lambda it: health_factor_of(it.account.account.health_factor),
    ),
    borrow_rate=Field(
        unit.FRACTION_2, "Rate of debt there, a year.", lambda it: it.account.reserves[0].borrow_rate
    ),
)
