"""Whose flash loan is the cheapest. A loan may come from another account's venue than the one that the call changes."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.accounts import accounts
from keeper.domain.market import LendingAccount, MarketSnapshot
from keeper.domain.units import BPS


@dataclass(frozen=True, slots=True)
class FlashLender:
    """``account`` is the place of the account that takes the loan. ``available`` is raw of the debt token."""

    account: int
    premium_bps: int
    available: int

    def premium(self, amount: int) -> int:
        """Aave's FlashLoanLogic.executeFlashLoanSimple, percentMulCeil. Morpho.flashLoan has none."""
        return -(-amount * self.premium_bps // BPS)


def flash_lender(snapshot: MarketSnapshot) -> FlashLender:
    """The cheapest that has all that the vault holds and owes, in the debt token. Where none has, that of the account
    which the snapshot shows: what is in its way is named when a plan needs it."""
    places = range(len(snapshot.tokens))
    gross_usd = sum(
        snapshot.value_usd(
            snapshot.symbols[i],
            snapshot.holdings[i].idle + snapshot.holdings[i].supplied + snapshot.elsewhere[i].supplied,
        )
        for i in places
    )
    cash = snapshot.debt_token.symbol
    most = snapshot.raw_worth(cash, gross_usd) if snapshot.price(cash) > 0 else 0
    own = _lender(next(one for one in accounts(snapshot) if one.venue.place == snapshot.venue.place))
    cheaper = [
        _lender(account)
        for account in accounts(snapshot)
        if _lends(account)
        and account.reserves[0].available >= most
        and account.flash_premium_bps < own.premium_bps
    ]
    return min(cheaper, key=lambda lender: lender.premium_bps, default=own)


def _lender(account: LendingAccount) -> FlashLender:
    return FlashLender(account.venue.place, account.flash_premium_bps, account.reserves[0].available)


def _lends(account: LendingAccount) -> bool:
    cash = account.reserves[0]
    return cash.active and not cash.paused and cash.flash_loan_enabled
