"""What a look knows of the venue of each account but the first, whose facts are those of the vault's market."""

from __future__ import annotations

from collections.abc import Iterator

from keeper.domain.account_venue import PRICE_SCALE
from keeper.domain.information import Fact
from keeper.domain.market import LendingAccount, MarketSnapshot
from keeper.domain.units import BPS, USD

PRICE, RATES, LIQUIDITY, DEBT = "venue_price:", "venue_rates:", "venue_liquidity:", "venue_debt:"
DEBT_ROUNDING_USD = 1.0


def subject_of(account: LendingAccount) -> str:
    return f"account{account.venue.place}"


def account_facts(snapshot: MarketSnapshot, max_gap_bps: int) -> Iterator[tuple[Fact, bool]]:
    """With whether each is enough. Of an account that holds and owes nothing all are: nothing there is at risk."""
    for account in snapshot.others:
        subject, used = subject_of(account), any(account.supplied) or any(account.owed)
        priced = float(_is_priced(snapshot, account, max_gap_bps))
        answers = float(account.venue.market is None or account.venue.market.rate_at_target is not None)
        yield Fact(PRICE + subject, priced), bool(priced) or not used
        yield Fact(RATES + subject, answers), bool(answers) or not used
        yield Fact(LIQUIDITY + subject, float(account.reserves[0].available > 0)), True
        yield Fact(DEBT + subject, float(debt_agrees(snapshot, account, max_gap_bps))), True


def debt_agrees(snapshot: MarketSnapshot, account: LendingAccount, max_gap_bps: int) -> bool:
    """Whether an account's debt is what the vault counts. Morpho's base currency is the debt token itself."""
    if account.venue.market is not None:
        return account.account.debt_base == account.owed[0]
    owed = sum(
        raw * reserve.market_price / 10**token.decimals
        for token, reserve, raw in zip(snapshot.tokens, account.reserves, account.owed, strict=True)
    )
    tolerance = owed * max_gap_bps / BPS + DEBT_ROUNDING_USD * USD
    return bool(abs(account.account.debt_base - owed) <= tolerance)


def _is_priced(snapshot: MarketSnapshot, account: LendingAccount, max_gap_bps: int) -> bool:
    """Whether the venue's own oracle has a price that is near the feeds'. Aave's prices are facts of their own."""
    market = account.venue.market
    if market is None:
        return True
    ours = snapshot.price(market.collateral) * 10**snapshot.debt_token.decimals * PRICE_SCALE
    theirs = (
        market.price
        * snapshot.price(snapshot.debt_token.symbol)
        * 10 ** snapshot.token(market.collateral).decimals
    )
    return market.price > 0 and abs(ours - theirs) * BPS <= max_gap_bps * theirs
