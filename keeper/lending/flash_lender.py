"""Whose flash loan is the cheapest. A loan may come from another account's venue than the one that the call changes."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.accounts import accounts
from keeper.domain.market import LendingAccount, MarketSnapshot
from keeper.domain.units import BPS


@dataclass(frozen=True, slots=True)
class FlashLender:
    """``account`` is the place of the account that takes the loan."""

    account: int
    premium_bps: int

    def premium(self, amount: int) -> int:
        """Of Aave by FlashLoanLogic.executeFlashLoanSimple, percentMulCeil. Morpho.flashLoan takes none."""
        return -(-amount * self.premium_bps // BPS)


def flash_lender(snapshot: MarketSnapshot) -> FlashLender:
    """The cheapest that has all that the vault holds and owes, in the debt token. Where none has, that of the account
    which the snapshot shows: what is in its way is named when a plan needs it."""
    if not snapshot.others:
        return FlashLender(snapshot.venue.place, snapshot.flash_premium_bps)
    gross_usd = sum(
        snapshot.value_usd(held.symbol, held.idle + held.supplied + other.supplied)
        for held, other in zip(snapshot.holdings, snapshot.elsewhere, strict=True)
    )
    cash = snapshot.debt_token.symbol
    most = snapshot.raw_worth(cash, gross_usd) if snapshot.price(cash) > 0 else 0
    here = snapshot.venue.place
    own = next(account for account in accounts(snapshot) if account.venue.place == here)
    able = [
        account for account in accounts(snapshot) if _lends(account) and account.reserves[0].available >= most
    ]
    # Of equals the own venue's, because it touches no further contract.
    return _lender(
        min(able, key=lambda account: (account.flash_premium_bps, account.venue.place != here), default=own)
    )


def _lender(account: LendingAccount) -> FlashLender:
    return FlashLender(account.venue.place, account.flash_premium_bps)


def _lends(account: LendingAccount) -> bool:
    cash = account.reserves[0]
    return cash.active and not cash.paused and cash.flash_loan_enabled
