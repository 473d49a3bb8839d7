"""What the vault's rebalance demands of prices, each just met and just missed. tests/chain has the same on the vault."""

from __future__ import annotations

import pytest

from keeper.domain.market import MarketSnapshot, Round
from keeper.oracle.vault_checks import rebalance_refusal
from tests.factories import NOW, a_sequencer, a_snapshot, with_feed, with_reserve

PRICE = 525_000_000
MAX_AGE_S = 4_500


def held(answer: int = PRICE, updated_at: int = NOW, weight: float = 0.3) -> MarketSnapshot:
    snapshot = a_snapshot(weights=(0.5, 0.5, weight, 0.0))
    return with_feed(snapshot, "LINK", round=Round(1, answer, updated_at))


@pytest.mark.parametrize(
    ("snapshot", "refusal"),
    [
        (held(), ""),
        (held(updated_at=NOW - MAX_AGE_S), ""),
        (held(updated_at=NOW - MAX_AGE_S - 1), "the price of LINK is 4501 s old, the vault accepts 4500 s"),
        (held(updated_at=NOW + 1), "the price of LINK is -1 s old, the vault accepts 4500 s"),
        (held(answer=0), "LINK has no price"),
        (held(answer=-1), "LINK has no price"),
        (held(answer=PRICE * 102 // 100), ""),
        (
            held(answer=PRICE * 102 // 100 + 1),
            "the prices of LINK, 5.355 and 5.25 USD, are too far apart",
        ),
        (held(updated_at=0, weight=0.0), ""),
        (held(updated_at=0, weight=0.9e-6), ""),
        (held(updated_at=0, weight=1.1e-6), f"the price of LINK is {NOW} s old, the vault accepts 4500 s"),
    ],
)
def test_a_price_of_what_is_held_must_be_positive_young_and_near_the_markets(
    snapshot: MarketSnapshot, refusal: str
) -> None:
    assert rebalance_refusal(snapshot) == refusal


def test_the_accounting_asset_counts_even_where_none_is_held() -> None:
    snapshot = a_snapshot(weights=(0.8, 0.8, 0.0, 0.0))
    assert snapshot.holdings[0].idle == 0
    assert rebalance_refusal(with_feed(snapshot, "USDC", round=Round(1, 0, NOW))) == "USDC has no price"


def test_a_gap_to_a_market_without_a_price_is_too_wide() -> None:
    assert "too far apart" in rebalance_refusal(with_reserve(held(), "LINK", market_price=0))


@pytest.mark.parametrize(
    ("since", "up", "refused"), [(3_601, True, False), (3_600, True, True), (9_999, False, True)]
)
def test_the_sequencer_must_be_up_for_longer_than_its_grace_period(
    since: int, up: bool, refused: bool
) -> None:
    snapshot = a_snapshot(sequencer=a_sequencer(up=up, status_since=NOW - since))
    assert bool(rebalance_refusal(snapshot)) is refused
