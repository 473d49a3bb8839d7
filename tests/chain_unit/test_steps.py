"""A plan's steps as the contract takes them, and what its events tell of them; whatever is odd tells nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from keeper.chain.abi import decode_values, load
from keeper.chain.steps import DATA, PREVIOUS, STEP_EXECUTED, encoded_call, step_amounts
from keeper.domain.errors import NothingFeasible
from keeper.domain.plan import Cost, PostState, RebalancePlan, Route, Step, StepKind, VaultCall
from keeper.domain.units import UINT256_MAX
from keeper.jsonrpc.answers import Log
from tests.factories import a_snapshot, an_address, some_pools, with_vault

PORTFOLIO = "0x" + "AB" * 20
SUPPLY = Step(StepKind.SUPPLY, "WETH", UINT256_MAX, 0, None, 0, 0)
DIRECT = Step(StepKind.SWAP_EXACT_IN, "USDC", 100, 7, Route(("USDC", "WETH"), (500,)), 0, 0)
TWO_HOPS = Step(StepKind.SWAP_EXACT_IN, "LINK", 100, 7, Route(("LINK", "WETH", "USDC"), (3_000, 500)), 0, 0)
SNAPSHOT = a_snapshot()


def a_plan(*steps: Step, **changes: Any) -> RebalancePlan:
    nothing = PostState(0.0, 0.0, 0.0, ())
    plan = RebalancePlan(
        call=VaultCall.REBALANCE,
        epoch=7,
        deadline=99,
        flash_amount=5,
        steps=steps,
        expected=nothing,
        cost=Cost(0.0, 0.0, 0.0, 0.0),
        gas_limit=0,
        turnover_usd=0.0,
        postponed_usd=0.0,
    )
    return replace(plan, **changes)


def sent(plan: RebalancePlan) -> tuple[Any, ...]:
    """Epoch, deadline, flash loan and steps."""
    function = load("Rebalancer")[plan.call.value]
    return decode_values(function.inputs, encoded_call(plan, SNAPSHOT)[4:])


def pool(symbol: str, other: str, fee: int) -> str:
    return next(
        one.address for one in SNAPSHOT.vault.pools if set(one.symbols) == {symbol, other} and one.fee == fee
    )


def address(symbol: str) -> str:
    return SNAPSHOT.token(symbol).address


def test_a_swap_through_two_pools_is_two_steps_of_which_the_second_sells_what_the_first_brought() -> None:
    epoch, deadline, flash, steps = sent(a_plan(SUPPLY, TWO_HOPS, DIRECT))
    assert (epoch, deadline, flash) == (7, 99, (0, address("USDC"), 5))
    assert steps == (
        (0, 0, address("WETH"), an_address(0), UINT256_MAX, 0),
        (4, 0, address("LINK"), pool("LINK", "WETH", 3_000), 100, 0),
        (4, 0, address("WETH"), pool("WETH", "USDC", 500), PREVIOUS, 7),
        (4, 0, address("USDC"), pool("USDC", "WETH", 500), 100, 7),
    )


def test_an_exact_output_names_what_is_bought() -> None:
    bought = replace(DIRECT, kind=StepKind.SWAP_EXACT_OUT, symbol="WETH", amount=3, limit=100)
    assert sent(a_plan(bought))[3] == ((5, 0, address("WETH"), pool("USDC", "WETH", 500), 3, 100),)


def test_the_steps_name_their_account() -> None:
    assert sent(a_plan(replace(SUPPLY, account=1), account=2))[2:] == (
        (2, address("USDC"), 5),
        ((0, 1, address("WETH"), an_address(0), UINT256_MAX, 0),),
    )


def test_a_pool_that_was_taken_off_the_list_is_named() -> None:
    without = with_vault(SNAPSHOT, pools=some_pools(3_000))
    with pytest.raises(NothingFeasible, match="lists no pool of USDC and WETH with a fee of 5 bps"):
        encoded_call(a_plan(DIRECT), without)


# --------------------------------------------------------------------- events


def a_log(place: int, out: int, went: int = 7, **changes: Any) -> Log:
    topics = (STEP_EXECUTED, f"0x{place:064x}")
    return replace(Log(PORTFOLIO.lower(), topics, encode(DATA, (went, out))), **changes)


def test_the_topic_is_the_events() -> None:
    assert "0x" + keccak(text=f"StepExecuted(uint256,{','.join(DATA)})").hex() == STEP_EXECUTED


def test_each_steps_output_is_told_in_the_plans_order() -> None:
    foreign = a_log(0, 9, address=an_address(1))
    other = a_log(0, 9, topics=("0x" + "00" * 32, "0x" + "00" * 32))
    logs = [foreign, a_log(0, 2**200), other, a_log(1, 0)]
    assert step_amounts(PORTFOLIO, (DIRECT, SUPPLY), logs) == ((2**200, 0), (7, 7))


def test_two_hops_are_told_as_one_swap() -> None:
    logs = [a_log(0, 5, went=100), a_log(1, 8, went=5), a_log(2, 0, went=8)]
    assert step_amounts(PORTFOLIO, (TWO_HOPS, SUPPLY), logs) == ((8, 0), (100, 8))


@pytest.mark.parametrize(
    "logs",
    [
        [],
        [a_log(0, 1)],
        [a_log(0, 1), a_log(2, 1)],
        [a_log(0, 1), a_log(1, 1), a_log(2, 1)],
        [a_log(0, 1), a_log(1, 1, data=b"\0")],
        [a_log(0, 1), a_log(1, 1, topics=(STEP_EXECUTED,))],
        [a_log(0, 1), a_log(1, 1, topics=())],
    ],
)
def test_anything_but_one_event_for_each_step_tells_nothing(logs: list[Log]) -> None:
    assert step_amounts(PORTFOLIO, (DIRECT, SUPPLY), logs) == ((), ())
