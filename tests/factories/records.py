"""What a cycle is given and what comes of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.plan import Route, SimulationReport
from keeper.domain.record import CycleInputs
from keeper.domain.tx import InFlight, IntentStatus
from tests.factories.constants import NOW
from tests.factories.market import a_snapshot
from tests.factories.policies import a_policy


def an_executed_swap(**changes: Any) -> ExecutedSwap:
    """10,000 USDC into WETH through a pool of 5 bps, a bp worse than quoted."""
    leg = ExecutedSwap(
        sold="USDC",
        bought="WETH",
        route=Route(("USDC", "WETH"), (500,)),
        value_usd=10_000.0,
        fair_out=6 * 10**18,
        quoted_out=5_994 * 10**15,
        simulated_out=59_937 * 10**14,
        realised_out=59_934 * 10**14,
        fees_bps=5.0,
        at=NOW,
    )
    return replace(leg, **changes)


def an_in_flight(**changes: Any) -> InFlight:
    return replace(InFlight("intent-1", IntentStatus.OPEN, 7, NOW - 60), **changes)


def some_inputs(**changes: Any) -> CycleInputs:
    """Of a cycle without history."""
    inputs = CycleInputs(
        snapshot=a_snapshot(),
        history=(),
        implied=(),
        in_flight=None,
        policy=a_policy(),
        quotes=(),
        pause_state=None,
        deleverage_request=None,
        opinions=(),
        memory=(),
        read_at=None,
        candles=(),
        learned_costs=(),
    )
    return replace(inputs, **changes)


def a_simulation(**changes: Any) -> SimulationReport:
    """Of a call that succeeds; the node reads no post-state and reports no logs."""
    report = SimulationReport(
        success=True,
        revert=None,
        gas=2_000_000,
        post=None,
        method="eth_simulateV1",
        l1_fee_wei=0,
        step_outs=(),
        step_ins=(),
    )
    return replace(report, **changes)
