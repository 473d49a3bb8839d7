from __future__ import annotations

from dataclasses import replace
from typing import Any

from keeper.domain.decision import PoolCost
from keeper.domain.executed_swaps import ExecutedSwap, LearnedCost
from keeper.domain.leadership import Leadership, Term
from keeper.domain.pause_state import DailyUsage, Pause, PausedBy, PauseState
from keeper.domain.plan import Route
from keeper.domain.prices import Opinion
from keeper.domain.record import DecisionRecord, Mode, NodeUse, StageTime
from keeper.domain.redemptions import Redemptions
from keeper.domain.tx import AttemptKind, InFlight, IntentStatus
from keeper.views.period_costs import COSTS, GasBill, Paid, Per, trading_costs
from keeper.views.record import RECORD
from keeper.views.status import STATUS, VaultStatus
from keeper.views.vault_state import VAULT_STATE
from keeper.views.view import Nested, View
from tests.factories import a_memory
from tests.factories.vault_states import a_vault_state
from tests.views.json_reference import PAGE, page
from tests.views.records import RECEIPT, a_failure, a_record

NO_VALUE = {"record.last_rebalance", "assets.price_rule", "simulation.revert"}
SWAP = ExecutedSwap(
    sold="USDC",
    bought="WETH",
    route=Route(("USDC", "WETH"), (500,)),
    value_usd=1_000.0,
    fair_out=10**18,
    quoted_out=999 * 10**15,
    simulated_out=998 * 10**15,
    realised_out=998 * 10**15,
    fees_bps=5.0,
    at=1_686_830_400,
)


def a_full_record() -> DecisionRecord:
    """Every part that a record can have, so that every field has a value."""
    record = a_record(mode=Mode.LIVE, failure=a_failure(), executed_swaps=(SWAP,))
    assert record.inputs is not None
    assert record.conclusions is not None
    assert record.verdict is not None
    assert record.simulation is not None
    snapshot = replace(record.inputs.snapshot, redemptions=Redemptions(10**18, 10**9, 1_686_000_000))
    paused = PauseState(
        (Pause(PausedBy.JOURNAL, "operator", "3am", 1_686_000_000),), DailyUsage(0.0, 0.0, 0, 0)
    )
    return replace(
        record,
        next_look_at=1_686_833_600.0,
        stages=(StageTime("read", 0.4),),
        inputs=replace(
            record.inputs,
            snapshot=snapshot,
            pause_state=paused,
            opinions=(Opinion("WETH", "kraken", 1_700.0, 1_686_830_000, "ok"),),
            learned_costs=(LearnedCost("WETH", 12, 9.5, 18.2, 5.1),),
        ),
        conclusions=replace(
            record.conclusions,
            decision=replace(
                record.conclusions.decision, pool_costs=(PoolCost("WETH", 120_000.0, 5.0, 1.4),)
            ),
            information=a_memory(),
        ),
        receipt=RECEIPT,
        realised=record.simulation.post,
        post_trade=record.verdict.checks,
        nodes=(NodeUse("http://node", 3, 5_000, "behind"),),
    )


def values_by_path(view: View[Any], item: Any) -> dict[str, bool]:
    """Whether each field of the view and of those nested in it has a value in at least one of its objects."""
    filled: dict[str, bool] = {}
    for name, field in view.fields.items():
        value = field.value(item)
        key = f"{view.heading}.{name}"
        filled[key] = filled.get(key, False) or value is not None
        if isinstance(field.format, Nested) and value is not None:
            for entry in value if field.format.absent == [] else [value]:
                for path, has_value in values_by_path(field.format.view, entry).items():
                    filled[path] = filled.get(path, False) or has_value
    return filled


def test_every_field_of_a_full_record_has_a_value() -> None:
    filled = values_by_path(RECORD, a_full_record())
    assert {path for path, has_value in filled.items() if not has_value} <= NO_VALUE
    assert len(filled) > 150


def test_every_field_of_the_status_has_a_value() -> None:
    record = a_full_record()
    assert record.inputs is not None
    assert record.inputs.pause_state is not None
    status = VaultStatus(
        snapshot=record.inputs.snapshot,
        last=record,
        pause_state=record.inputs.pause_state,
        daily=record.inputs.policy.daily,
        in_flight=(InFlight("1" * 32, IntentStatus.SENT, 7, 1_686_830_000),),
        nodes=record.nodes,
        quorum=1,
        journal="/var/lib/keeper/keeper.db",
        journal_exists=True,
        running="none runs on this machine",
        leadership=Leadership(
            "a process 1", 0.5, ("b process 2",), Term(7, "a process 1", began_at=1_686_830_000)
        ),
    )
    filled = values_by_path(STATUS, status)
    assert {path for path, has_value in filled.items() if not has_value} <= {"status.last_rebalance"}


def test_every_field_of_the_costs_has_a_value() -> None:
    bill = GasBill(SWAP.at, AttemptKind.CALL, succeeded=True, wei=10**15, coin_usd=1_700.0, measured=False)
    costs = trading_costs(Paid((SWAP,), (bill,)), ("WETH",), Per.DAY)
    assert all(values_by_path(COSTS, costs).values())


def test_every_field_of_the_vault_state_has_a_value() -> None:
    filled = values_by_path(VAULT_STATE, a_vault_state())
    assert {path for path, has_value in filled.items() if not has_value} == set()


def test_the_page_is_what_the_views_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.views.json_reference"
