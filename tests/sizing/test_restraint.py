"""A look that misses something is sized by the riskier of two estimates, within the bounds of the informed one."""

from __future__ import annotations

import pytest

from keeper.domain.information import InformationMemory
from keeper.domain.model import Bound
from keeper.domain.observation import Observation
from keeper.sizing.restraint import remembered_model, restraint
from keeper.sizing.size import size
from tests.factories import (
    NOW,
    a_memory,
    a_model,
    a_policy,
    a_snapshot,
    an_informed_look,
    with_redemptions,
)

LOOK = an_informed_look()
MISSING = ("depth:WBTC",)
LOSSES = (0.3, 0.3, 0.4, 0.5)
OBSERVATION = Observation(a_snapshot(), information=a_memory())


def test_the_target_has_the_weights_of_the_informed_look_and_at_most_its_leverage() -> None:
    calm = a_model(volatilities=(0.2, 0.2, 0.2, 0.2))
    target = size(calm, OBSERVATION, a_policy(), restraint=restraint(OBSERVATION, MISSING))
    assert target.unit_weights == LOOK.unit_weights
    assert target.leverage <= LOOK.leverage
    assert target.missing == MISSING
    assert size(calm, OBSERVATION, a_policy()).leverage > LOOK.leverage


def test_no_bound_is_above_that_of_the_informed_look() -> None:
    look = an_informed_look(bounds=(Bound("policy_cap", 0.7, "then"),), leverage=0.9, unqueued_leverage=0.9)
    observation = Observation(a_snapshot(), information=a_memory(look=look))
    target = size(a_model(), observation, a_policy(), restraint=restraint(observation, MISSING))
    assert (target.binding, target.leverage) == ("policy_cap", 0.7)


def test_the_bound_informed_look_names_what_is_missing() -> None:
    look = an_informed_look(bounds=(), leverage=0.4, unqueued_leverage=0.4)
    observation = Observation(a_snapshot(), information=a_memory(look=look))
    target = size(a_model(), observation, a_policy(), restraint=restraint(observation, MISSING))
    assert target.binding == "informed_look"
    assert target.leverage == pytest.approx(0.4)
    assert "depth:WBTC" in target.bounds[-1].detail


def test_a_first_start_with_missing_data_allows_what_the_vault_holds() -> None:
    for leverage in (0.0, 0.6):
        observation = Observation(
            a_snapshot(weights=(1.0, 1.0, 1.0, 1.0), leverage=leverage), information=InformationMemory()
        )
        target = size(a_model(), observation, a_policy(), restraint=restraint(observation, MISSING))
        assert target.leverage == pytest.approx(leverage, abs=1e-9)
        assert target.binding == "informed_look"


def test_a_look_at_other_assets_says_nothing_about_these() -> None:
    other = an_informed_look(symbols=("WBTC", "WETH"))
    held_back = restraint(Observation(a_snapshot(), information=a_memory(look=other)), MISSING)
    assert held_back is not None
    assert held_back.look is None


def test_nothing_missing_restrains_nothing() -> None:
    assert restraint(OBSERVATION, ()) is None


def test_a_redemption_that_was_paid_in_between_forces_no_sale() -> None:
    look = an_informed_look(bounds=(), leverage=0.6, unqueued_leverage=1.0, pending_shares=10**24)
    observation = Observation(with_redemptions(a_snapshot(), 0.0), information=a_memory(look=look))
    target = size(a_model(), observation, a_policy(), restraint=restraint(observation, MISSING))
    assert target.leverage == pytest.approx(1.0)


def test_a_queue_that_takes_the_whole_vault_leaves_no_leverage() -> None:
    observation = Observation(with_redemptions(a_snapshot(), 1.0), information=a_memory())
    target = size(a_model(), observation, a_policy(), restraint=restraint(observation, MISSING))
    assert target.leverage == 0.0


def test_the_remembered_estimate_stands_in_for_one_that_cannot_be_made() -> None:
    model = remembered_model(LOOK, NOW, (LOSSES,), why="no bars")
    assert (model.covariance, model.symbols, model.worst_losses) == (LOOK.covariance, LOOK.symbols, (LOSSES,))
    assert all("no bars" in asset.provenance for asset in model.assets)
