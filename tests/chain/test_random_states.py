"""Hundreds of random vaults, markets and goals on the real contracts: every plan goes through and ends where it said.

``KEEPER_STATES`` says how many, ``KEEPER_SEED`` which; ``make states`` runs a thousand. A failure names both, and
``pytest --tables`` prints what the run was like.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from keeper.chain.rpc.client import Rpc
from keeper.devnet import local_chain as devnet
from keeper.devnet.local_chain import LocalChain
from tests.chain.node_scene import node_in
from tests.chain.random_states import State, Trouble
from tests.chain.state_runs import Outcome, a_plan, outcome, run
from tests.chain.state_scene import Stage
from tests.chain.state_table import table
from tests.servers.raw_request import raw_request

pytestmark = pytest.mark.slow

STATES = int(os.environ.get("KEEPER_STATES", "20"))
SEED = int(os.environ.get("KEEPER_SEED", "20231"))
UNMOVED = (1.0,) * 4
NOTHING = (0.0,) * 4


@pytest.fixture(scope="module")
def stage(world: LocalChain) -> Iterator[Stage]:
    with (
        devnet.forked(world, put_back=True) as (_, copy),
        Rpc(copy.deployment.rpc_url, timeout_s=60.0) as rpc,
    ):
        found = Stage(copy, node_in(copy, rpc), rpc)
        found.open()
        yield found


@pytest.fixture(scope="module")
def outcomes(stage: Stage) -> tuple[Outcome, ...]:
    return tuple(run(stage, SEED, range(STATES), a_plan, measured=True))


def told(found: list[Outcome]) -> str:
    """Seed and state of each, to be run again and shrunk by hand."""
    return "\n".join(f"seed {SEED}: {one.wrong or one.refusal}\n  {one.state}" for one in found)


def test_every_plan_goes_through_and_ends_where_it_said(outcomes: tuple[Outcome, ...]) -> None:
    wrong = [one for one in outcomes if one.wrong]
    assert not wrong, told(wrong)


def test_where_nothing_is_wrong_with_the_market_there_is_a_plan(outcomes: tuple[Outcome, ...]) -> None:
    without = [one for one in outcomes if one.plan is None and not one.state.troubles]
    assert not without, told(without)


def test_what_is_refused_is_what_the_market_is_in_the_way_of(outcomes: tuple[Outcome, ...]) -> None:
    troubled = [one for one in outcomes if one.state.troubles]
    refused = [one for one in troubled if one.plan is None]
    reasons = Counter(one.refusal.split(":")[0] for one in refused)
    assert all(reasons), reasons
    assert len(refused) <= 0.8 * len(troubled), reasons


def test_no_plan_costs_less_than_the_least(outcomes: tuple[Outcome, ...]) -> None:
    """Else the bound is none."""
    below = [one for one in outcomes if one.costs and one.costs.plan < one.costs.least * (1.0 - 1e-6)]
    assert not below, told(below)


def test_a_plan_costs_little_more_than_the_reference_costs(
    outcomes: tuple[Outcome, ...], show: Callable[[str], None]
) -> None:
    show(table(outcomes, SEED))
    ratios = sorted(one.costs.plan / one.costs.least for one in outcomes if one.costs)
    direct = sorted(one.costs.plan / one.costs.direct for one in outcomes if one.costs and one.costs.direct)
    assert ratios[len(ratios) // 2] <= 1.07
    assert ratios[9 * len(ratios) // 10] <= 1.15
    assert direct[len(direct) // 2] <= 0.5


# ------------------------------------------------------- once found, now by name


def a_state(**changes: object) -> State:
    """Nothing but cash, in a market as it was built."""
    plain: dict[str, object] = {
        "number": 0,
        "price_moves": UNMOVED,
        "nav_usd": 100_000.0,
        "weights": NOTHING,
        "cash": 0.0,
        "donated_usd": NOTHING,
        "troubles": (),
        "wanted": NOTHING,
    }
    return State(**{**plain, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "state",
    [
        pytest.param(
            a_state(weights=(0.0, 0.0, 0.3, 0.0), cash=0.8, wanted=(0.3, 0.0, 0.0, 0.0)),
            id="all collateral is exchanged beside a debt that grows until the transaction is mined",
        ),
        pytest.param(
            a_state(
                weights=(0.5, 0.4, 0.3, 0.3),
                wanted=(0.3, 0.6, 0.3, 0.3),
                troubles=(("LINK", Trouble.FROZEN),),
            ),
            id="collateral leaves beside frozen collateral that stays",
        ),
        pytest.param(
            a_state(
                weights=(0.5, 0.4, 0.3, 0.3),
                troubles=(("LINK", Trouble.LTV_ZERO),),
                wanted=(0.6, 0.3, 0.0, 0.3),
            ),
            id="collateral of LTV 0 is sold with other collateral",
        ),
        pytest.param(
            a_state(weights=(0.5, 0.4, 0.3, 0.3), troubles=(("LINK", Trouble.FROZEN),), ripcord=0.5),
            id="an emergency while a reserve is frozen",
        ),
        pytest.param(
            a_state(weights=(0.9, 0.4, 0.2, 0.1), wanted=(0.1, 0.9, 0.3, 0.3)),
            id="collateral is exchanged near the vault's floor",
        ),
    ],
)
def test_once_found(stage: Stage, state: State) -> None:
    before = stage.rpc.send(raw_request("evm_snapshot", []))
    found = outcome(stage, state, a_plan, measured=False)
    stage.rpc.send(raw_request("evm_revert", [before]))
    assert found.plan is not None, found.refusal
    assert not found.wrong, found.wrong
