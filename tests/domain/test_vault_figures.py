"""The keeper's count of the vault against the vault's own."""

from __future__ import annotations

import math

import pytest

from keeper.domain.vault_figures import VaultFigures, widest_gap


def test_equal_counts_are_no_gap_apart() -> None:
    for figures in (VaultFigures(250_000.0, 1.48, 2.3), VaultFigures(0.0, 0.0, math.inf)):
        assert widest_gap(figures, figures).gap == 0.0


@pytest.mark.parametrize(
    ("ours", "figure", "gap"),
    [
        (VaultFigures(171_108.0, 1.48, 2.0), "NAV", 0.3132),
        (VaultFigures(249_139.0, 1.70, 2.0), "leverage", (1.70 - 1.48) / 1.48),
        (VaultFigures(249_139.0, 1.48, 2.5), "health factor", 0.1),
        (VaultFigures(249_139.0, 1.48, math.inf), "health factor", 0.5),
    ],
)
def test_the_figure_that_is_furthest_off_is_named(ours: VaultFigures, figure: str, gap: float) -> None:
    widest = widest_gap(ours, VaultFigures(249_139.0, 1.48, 2.0))
    assert widest.figure == figure
    assert widest.gap == pytest.approx(gap, abs=1e-4)


def test_a_vault_that_counts_nothing_disagrees_with_any_nav() -> None:
    assert widest_gap(VaultFigures(1.0, 0.0, math.inf), VaultFigures(0.0, 0.0, math.inf)).gap == math.inf


def test_a_speck_of_debt_makes_no_gap() -> None:
    vaults = VaultFigures(250_000.0, 0.0, 2.5e11)
    assert widest_gap(VaultFigures(250_000.0, 0.0, math.inf), vaults).gap < 1e-6


def test_both_counts_stand_in_the_sentence() -> None:
    widest = widest_gap(VaultFigures(171_108.4, 1.7, 2.0), VaultFigures(249_139.2, 1.48, 2.0))
    assert str(widest) == "NAV is 171,108 USD by the keeper's count and 249,139 USD by the vault's"
