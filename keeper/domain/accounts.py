"""The vault's accounts, and the snapshot as each of them sees it.

Trades, prices and checks are about one account at a time: a snapshot shows one, and keeps the others beside it. The
vault's own emergency is of the accounts that a call touches, so a call lowers risk in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from keeper.domain.market import Holding, LendingAccount, MarketSnapshot, Token

WORTH_A_CALL = 100
"""Idle cash, or collateral that can leave, of less than this part of a debt does not lower it enough for a call."""


def accounts(snapshot: MarketSnapshot) -> tuple[LendingAccount, ...]:
    """All that the keeper manages, in the vault's order."""
    return tuple(sorted((_shown(snapshot), *snapshot.others), key=lambda account: account.venue.place))


def showing(snapshot: MarketSnapshot, place: int) -> MarketSnapshot:
    """The same vault and block with this account's reserves, amounts and health. Raises KeyError for a place at which
    the keeper manages no account."""
    if place == snapshot.venue.place:
        return snapshot
    return _seen(snapshot, {account.venue.place: account for account in accounts(snapshot)}, place)


def with_accounts(snapshot: MarketSnapshot, changed: Iterable[LendingAccount]) -> MarketSnapshot:
    """All accounts as ``changed`` has them; the snapshot shows the same one as before."""
    return _seen(snapshot, {account.venue.place: account for account in changed}, snapshot.venue.place)


def shown_in_turn(snapshot: MarketSnapshot) -> Iterator[MarketSnapshot]:
    """The snapshot once for each account, in the vault's order."""
    return (showing(snapshot, account.venue.place) for account in accounts(snapshot))


def to_lower(snapshot: MarketSnapshot) -> MarketSnapshot:
    """As seen by the account that a deleverage lowers: of those with debt the one with the lowest health factor, but
    after those that can be lowered where it cannot. A reserve that is dry, paused or not active gives nothing back;
    idle cash repays any debt. Without another account, the snapshot itself."""
    if not snapshot.others:
        return snapshot
    owing = [account for account in accounts(snapshot) if any(account.owed)]
    if not owing:
        return showing(snapshot, 0)
    cash = snapshot.holdings[0].idle
    first = min(
        owing,
        key=lambda account: (
            not _can_be_lowered(account, cash, snapshot.tokens),
            account.account.health_factor,
        ),
    )
    return showing(snapshot, first.venue.place)


def _can_be_lowered(account: LendingAccount, cash: int, tokens: tuple[Token, ...]) -> bool:
    """Without a price of its venue an account's health factor is 0. It rises only where all debt is repaid."""
    debt, owed = account.reserves[0], account.owed[0]
    if not debt.active or debt.paused:
        return False
    if account.account.health_factor == 0:
        return cash >= owed
    values = (
        Fraction(min(supplied, reserve.available) * reserve.market_price, 10**token.decimals)
        for supplied, reserve, token in zip(account.supplied, account.reserves, tokens, strict=True)
        if reserve.active and not reserve.paused
    )
    can_leave, owes = sum(values), Fraction(owed * debt.market_price, 10 ** tokens[0].decimals)
    return cash * WORTH_A_CALL >= owed or (can_leave > 0 and can_leave * WORTH_A_CALL >= owes)


def _seen(snapshot: MarketSnapshot, known: Mapping[int, LendingAccount], place: int) -> MarketSnapshot:
    account = known[place]
    return replace(
        snapshot,
        reserves=account.reserves,
        holdings=tuple(
            Holding(held.symbol, held.idle, supplied, owed=owed)
            for held, supplied, owed in zip(snapshot.holdings, account.supplied, account.owed, strict=True)
        ),
        account=account.account,
        flash_premium_bps=account.flash_premium_bps,
        vault=replace(snapshot.vault, account=account.address),
        venue=account.venue,
        others=tuple(known[other] for other in sorted(known) if other != place),
    )


def _shown(snapshot: MarketSnapshot) -> LendingAccount:
    return LendingAccount(
        venue=snapshot.venue,
        address=snapshot.vault.account,
        reserves=snapshot.reserves,
        supplied=tuple(holding.supplied for holding in snapshot.holdings),
        owed=tuple(holding.owed for holding in snapshot.holdings),
        account=snapshot.account,
        flash_premium_bps=snapshot.flash_premium_bps,
    )
