"""Checks of the lending market."""

from __future__ import annotations

from keeper.doctor.diagnosis import Diagnosis, DoctorContext, failed, ok, warning
from keeper.domain.errors import Refused
from keeper.sizing.categories import better_category
from keeper.views.lending import ACCOUNT, account_rows

ACCOUNT_TEXT = "account {place} on {venue}: health factor {health_factor}, debt {debt_usd} at {borrow_rate}"


def lending_market(context: DoctorContext) -> Diagnosis:
    """The reserves of the first account's pool. Where there are more accounts, each is named."""
    stopped = [
        reserve.symbol
        for reserve in context.snapshot.reserves
        if reserve.frozen or reserve.paused or not reserve.active
    ]
    if stopped:
        return failed(
            f"frozen, paused or inactive: {', '.join(stopped)}",
            Refused,
            remedy="A frozen asset can only be reduced. A paused one cannot be moved at all.",
        )
    named = "".join(f"; {ACCOUNT.text(row, ACCOUNT_TEXT)}" for row in account_rows(context.snapshot)[1:])
    return ok(f"{len(context.snapshot.reserves)} reserves are active{named}")


def e_mode(context: DoctorContext) -> Diagnosis:
    options = context.node.categories(context.snapshot)
    other = better_category(options, context.snapshot)
    inside = f"category {options.chosen}" if options.chosen else "no category"
    if other is None:
        return ok(
            f"the vault uses {inside}; none of the other {len(options.known) - 1} gives a better health factor"
        )
    number, label = other.category.number, other.category.label
    named = (f"category {number} ({label})" if label else f"category {number}") if number else "no category"
    return warning(
        f"{named} would give a health factor of {other.health_factor:.2f} instead of {other.now:.2f} in {inside}",
        remedy=f"A vault chooses when it opens an account: its admin may open one in category {number}.",
    )
