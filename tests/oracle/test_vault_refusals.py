"""What stops calls of the keeper at this block, each just met and just missed."""

from __future__ import annotations

import pytest

from keeper.domain.market import MarketSnapshot, Round
from keeper.oracle.vault_refusals import refusals
from tests.factories import NOW, a_sequencer, a_snapshot, with_feed, with_reserve, with_vault

PRICE = 525_000_000
DAILY_LOSS, DAILY_TURNOVER = 0.03, 8.0
"""Of the snapshot's vault."""


def priced(answer: int = PRICE, updated_at: int = NOW) -> MarketSnapshot:
    return with_feed(a_snapshot(), "LINK", round=Round(1, answer, updated_at))


@pytest.mark.parametrize(
    ("snapshot", "names"),
    [
        (a_snapshot(), []),
        (a_snapshot(keeper_has_role=False), ["CallerNotAllowed"]),
        (with_vault(a_snapshot(), paused=True), ["VaultPaused"]),
        (a_snapshot(sequencer=a_sequencer(up=False)), ["SequencerDown"]),
        (a_snapshot(sequencer=a_sequencer(up=True, status_since=NOW - 9_999)), []),
        (priced(updated_at=0), ["PriceRefused"]),
        (priced(answer=PRICE * 102 // 100), []),
        (priced(answer=PRICE * 102 // 100 + 1), ["PriceRefused"]),
        (with_vault(a_snapshot(), levering_closed_until=NOW + 1), ["LeveringClosed"]),
        (with_vault(a_snapshot(), levering_closed_until=NOW), []),
        (with_vault(a_snapshot(), used_daily_loss=0.79 * DAILY_LOSS), []),
        (with_vault(a_snapshot(), used_daily_loss=0.81 * DAILY_LOSS), ["WindowExhausted"]),
        (with_vault(a_snapshot(), used_daily_turnover=0.79 * DAILY_TURNOVER), []),
        (with_vault(a_snapshot(), used_daily_turnover=0.81 * DAILY_TURNOVER), ["WindowExhausted"]),
        (with_vault(a_snapshot(), last_rebalance=NOW), []),
        (
            with_vault(priced(updated_at=0), paused=True, used_daily_loss=DAILY_LOSS),
            ["VaultPaused", "PriceRefused", "WindowExhausted"],
        ),
    ],
)
def test_each_rule_that_stops_calls_is_named(snapshot: MarketSnapshot, names: list[str]) -> None:
    assert [refusal.name for refusal in refusals(snapshot)] == names


@pytest.mark.parametrize(
    ("snapshot", "passes"),
    [
        (a_snapshot(keeper_has_role=False), False),
        (with_vault(a_snapshot(), paused=True), False),
        (with_vault(a_snapshot(), levering_closed_until=NOW + 1), True),
        (priced(updated_at=0), True),
    ],
)
def test_a_pause_and_a_removed_keeper_do_not_end_by_themselves(
    snapshot: MarketSnapshot, passes: bool
) -> None:
    (refusal,) = refusals(snapshot)
    assert refusal.passes is passes
    assert refusal.remedy


def test_a_price_says_whether_a_deleverage_still_takes_it() -> None:
    stale = priced(updated_at=0)
    (elsewhere,) = refusals(stale)
    assert elsewhere.remedy.endswith("A deleverage may sell it.")
    (dead,) = refusals(with_reserve(stale, "LINK", price_source=stale.feeds[stale.index("LINK")].feed))
    assert dead.remedy.endswith("Not even a deleverage may trade it.")
