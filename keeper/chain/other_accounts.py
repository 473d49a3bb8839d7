"""The vault's accounts beside its first: which protocol each is on, and its state of the same batched read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address

from keeper.chain.calls import Answers, Call
from keeper.chain.contracts import emode, lending, morpho, vault
from keeper.chain.contracts.morpho import MorphoMarket
from keeper.domain.account_venue import AccountVenue, IsolatedMarket, VenueKind
from keeper.domain.errors import AccountNotManaged
from keeper.domain.market import Account, LendingAccount, RateCurve, Reserve
from keeper.domain.units import BPS, WAD
from keeper.lending.venues import morpho_blue

NO_CURVE = RateCurve(optimal_utilisation=0.0, base=0.0, slope1=0.0, slope2=0.0)
"""Aave's curve has no meaning on another protocol."""


@dataclass(frozen=True, slots=True)
class OtherAccount:
    """``category`` is the eMode of an account on Aave, ``market`` that of one on Morpho Blue, else None."""

    place: int
    address: str
    category: int
    market: MorphoMarket | None


# ------------------------------------------------------------------- discovery


def first_calls(accounts: Sequence[str]) -> list[Call[Any]]:
    """Which protocol each account is on."""
    return [ask for account in accounts[1:] for ask in (vault.lending_pool(account), *morpho.terms(account))]


def second_calls(accounts: Sequence[str], pool: str, answers: Answers) -> list[Call[Any]]:
    """What ``managed_accounts`` needs beside ``first_calls``, whose answers these are."""
    return [
        *(emode.chosen(pool, account) for account in accounts[1:]),
        *(call for market in _markets(accounts, answers).values() for call in morpho.calls(market)),
    ]


def managed_accounts(
    accounts: Sequence[str], pool: str, tokens: Collection[str], *, first: Answers, second: Answers
) -> tuple[OtherAccount, ...]:
    """The accounts that the keeper manages beside the first: those on the same pool of Aave, and those on a market of
    Morpho Blue in the first of ``tokens``, whose collateral is another of them and whose rate model is the adaptive
    curve. A rate model that answers nothing may be that one: its market counts as paused, and is managed."""
    cash, *collateral = (token.lower() for token in tokens)
    markets = _markets(accounts, first)
    managed = []
    for place, account in enumerate(accounts[1:], start=1):
        market, its_pool = markets.get(account), first.maybe(vault.lending_pool(account))
        if market is not None:
            if market.loan != cash or market.collateral not in collateral:
                continue
            if morpho.has_other_curve(market, second):
                continue
            managed.append(OtherAccount(place, to_checksum_address(account), category=0, market=market))
        elif its_pool is not None and its_pool == pool.lower():
            category = second.first(emode.chosen(pool, account))
            managed.append(OtherAccount(place, to_checksum_address(account), category, market=None))
    return tuple(managed)


def require_managed(
    accounts: Sequence[str], managed: Collection[int], tokens: Sequence[str], answers: Answers
) -> None:
    """Raises AccountNotManaged where an account that the keeper does not manage owes anything.

    A supply there is no reason: anybody can supply on behalf of an account, and it can only raise what the vault is
    worth. The gate ``vault_agrees`` sees it where it is large."""
    for place, account in enumerate(accounts):
        position = answers.first(vault.position(account, tokens))
        if place not in managed and any(position.owed):
            raise AccountNotManaged(
                f"the vault's account {place} ({account}) has debt, and this keeper does not manage its venue",
                remedy="Repay that debt. The keeper manages accounts on the first account's pool of Aave, and on "
                "markets of Morpho Blue in the accounting asset with the adaptive curve.",
            )


def _markets(accounts: Sequence[str], answers: Answers) -> dict[str, MorphoMarket]:
    """Of those accounts that are on Morpho Blue."""
    return {
        account: morpho.market(account, answers)
        for account in accounts[1:]
        if all(answers.maybe(ask) is not None for ask in morpho.terms(account))
    }


# -------------------------------------------------------------------- one block


def state_calls(others: Sequence[OtherAccount], pool: str) -> list[Call[Any]]:
    """What ``lending_account`` and ``still_valid`` need of a block, beside each account's position."""
    calls: list[Call[Any]] = []
    for other in others:
        calls.append(vault.health_factor(other.address))
        if other.market is not None:
            calls += morpho.calls(other.market)
            continue
        calls += [lending.account(pool, other.address), emode.chosen(pool, other.address)]
        if other.category:
            calls += emode.calls(pool, other.category)
    return calls


def still_valid(others: Sequence[OtherAccount], pool: str, answers: Answers) -> bool:
    """False where the eMode of an account is another by now."""
    return all(
        answers.of(emode.chosen(pool, other.address)) == other.category
        for other in others
        if other.market is None
    )


@dataclass(frozen=True, slots=True)
class BlockRead:
    """``symbols`` by the tokens' addresses, in the order of the snapshot. ``reserves`` are those of the first account's
    pool as an account in a category sees them. ``listed`` are the tokens that positions were asked of."""

    pool: str
    symbols: Mapping[str, str]
    listed: Sequence[str]
    reserves: Callable[[int], tuple[Reserve, ...]]
    flash_premium_bps: int
    now: int
    answers: Answers


def lending_account(other: OtherAccount, read: BlockRead) -> LendingAccount:
    """Raises NodeUntrusted where the account or its venue does not answer."""
    position = read.answers.of(vault.position(other.address, read.listed))
    supplied, owed = (
        dict(zip((token.lower() for token in read.listed), amounts, strict=True))
        for amounts in (position.supplied, position.owed)
    )
    held = {symbol: supplied[token] for token, symbol in read.symbols.items()}
    debts = {symbol: owed[token] for token, symbol in read.symbols.items()}
    on_aave = other.market is None
    market = (
        None if other.market is None else morpho.state(other.market, read.symbols, read.now, read.answers)
    )
    if market is None:
        account = read.answers.of(lending.account(read.pool, other.address))
        reserves = read.reserves(other.category)
    else:
        cash = next(iter(read.symbols.values()))
        health = read.answers.of(vault.health_factor(other.address))
        account = Account(morpho_blue(market, cash).collateral_value(held), debts[cash], health)
        reserves = tuple(
            _of_market(reserve, market, cash=cash, held=held, indebted=debts[cash] > 0)
            for reserve in read.reserves(0)
        )
    return LendingAccount(
        venue=AccountVenue(
            other.place, VenueKind.AAVE_V3 if on_aave else VenueKind.MORPHO_BLUE, market=market
        ),
        address=other.address,
        reserves=reserves,
        supplied=tuple(held.values()),
        owed=tuple(debts.values()),
        account=account,
        flash_premium_bps=read.flash_premium_bps if on_aave else 0,
    )


def _of_market(
    first: Reserve, market: IsolatedMarket, cash: str, *, held: Mapping[str, int], indebted: bool
) -> Reserve:
    """The token in the market, with the price that the vault compares with. Collateral is not lent to anybody, so all
    of it can leave, but beside a debt not without a price. Under a dead rate model nothing moves: the market is as good
    as paused. A market's loan to value is its threshold."""
    symbol = first.symbol
    loan, is_collateral = symbol == cash, symbol == market.collateral
    venue = morpho_blue(market, cash)
    threshold_bps = market.lltv * BPS // WAD if is_collateral else 0
    return Reserve(
        symbol=symbol,
        a_token="",
        debt_token="",
        ltv_bps=threshold_bps,
        liquidation_threshold_bps=threshold_bps,
        reserve_factor_bps=0,
        active=loan or is_collateral,
        frozen=False,
        paused=market.rate_at_target is None,
        borrowing_enabled=loan,
        flash_loan_enabled=loan,
        supply_cap=0,
        borrow_cap=0,
        supplied=market.total_supply + market.interest if loan else 0,
        borrowed=market.total_borrow + market.interest if loan else 0,
        available=venue.available if loan else held[symbol] if market.price or not indebted else 0,
        market_price=first.market_price,
        price_source=first.price_source,
        supply_rate=0.0,
        borrow_rate=venue.borrow_rate(0) if loan else 0.0,
        curve=NO_CURVE,
    )
