"""The vault's accounts, and the snapshot as each of them sees it.

Trades, prices and checks are about one account at a time: a snapshot shows one, and keeps the others beside it. The
vault's own emergency is of the accounts that a call touches, so a call lowers risk in one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from fractions import Fraction

from keeper.domain.market import Holding, LendingAccount, MarketSnapshot, Trust
from keeper.domain.vault_quotes import is_tradable

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
    after those that can be lowered where it cannot (``why_stuck``). Without another account, the snapshot itself.

    An account without a price of its venue is shown last: the vault's ``deleverage`` can do nothing for it, a
    ``rebalance`` may."""
    if not snapshot.others:
        return snapshot
    first = min(accounts(snapshot), key=lambda account: _order(snapshot, account))
    return showing(snapshot, first.venue.place)


def _order(snapshot: MarketSnapshot, account: LendingAccount) -> tuple[int, int]:
    health = account.account.health_factor
    if not any(account.owed):
        return 2, 0
    if health == 0:
        return 3, 0
    return int(bool(why_stuck(snapshot, account))), health


def in_need(snapshot: MarketSnapshot) -> LendingAccount:
    """The account with the lowest health factor; the first of equals."""
    return min(accounts(snapshot), key=lambda account: account.account.health_factor)


def why_stuck(snapshot: MarketSnapshot, account: LendingAccount) -> str:
    """Why a deleverage cannot lower this account now; empty where it can. ``snapshot`` may show another one.

    Idle cash repays any debt. What is sold must be able to leave its reserve, and have a price that the vault takes: a
    reserve that is dry, paused or not active gives nothing back, and a DEAD price sells nothing. Without a price of its
    venue an account's health factor is 0 until all debt is repaid, and an emergency call of the vault may not end above
    its target (Rebalancer: HealthNotRaised, HealthBeyondTarget)."""
    debt, owed = account.reserves[0], account.owed[0]
    cash = snapshot.debt_token
    if not debt.active or debt.paused:
        return f"its market of {cash.symbol} is paused or not active"
    if account.account.health_factor == 0:
        return "its venue has no price, so that no deleverage raises it within the vault's target"
    if not is_tradable(snapshot, cash.symbol, lowering=True):
        return f"{cash.symbol} has no price that the vault takes"
    spare = _spare_cash(snapshot, account)
    if spare * WORTH_A_CALL >= owed:
        return ""
    enough = Fraction(owed * debt.market_price, 10**cash.decimals * WORTH_A_CALL)
    values = _to_sell(snapshot, account)
    if not 0 < sum(values.values()) >= enough:
        return "its collateral cannot leave: its reserves are dry, paused or not active"
    priced = (value for symbol, value in values.items() if _has_price(snapshot, symbol))
    return "" if 0 < sum(priced) >= enough else "what can leave it has no price to sell at"


def _spare_cash(snapshot: MarketSnapshot, account: LendingAccount) -> int:
    """Raw of the accounting asset. Below the vault's emergency level the cash of the line repays as well."""
    vault, idle = snapshot.vault, snapshot.holdings[0].idle
    in_emergency = account.account.health_factor < vault.policy.emergency_health
    return idle if in_emergency else max(0, idle - vault.reserved)


def _to_sell(snapshot: MarketSnapshot, account: LendingAccount) -> dict[str, Fraction]:
    """Of each risk asset what is idle and what can leave the account's market, USD with 8 decimals."""
    values = {}
    for place in range(1, len(snapshot.tokens)):
        token, reserve = snapshot.tokens[place], account.reserves[place]
        is_open = reserve.active and not reserve.paused
        leaves = min(account.supplied[place], reserve.available) if is_open else 0
        raw = snapshot.holdings[place].idle + leaves
        values[token.symbol] = Fraction(raw * reserve.market_price, 10**token.decimals)
    return values


def _has_price(snapshot: MarketSnapshot, symbol: str) -> bool:
    trust = snapshot.feeds[snapshot.index(symbol)].trust
    return trust is not Trust.DEAD and is_tradable(snapshot, symbol, lowering=True)


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
