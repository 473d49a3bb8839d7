from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from keeper.domain.decision import Action
from keeper.domain.errors import OutcomeUnknown
from keeper.domain.market import Trust
from keeper.domain.plan import Check, PostState
from keeper.domain.record import DecisionRecord, Failure
from keeper.monitoring import alert_kinds as kinds
from keeper.monitoring.alert_kinds import ALERT_KINDS, Alert, AlertKind
from keeper.monitoring.alerts import MAX_PER_HOUR, REMIND_S, AlertMemory, alerts_after
from keeper.monitoring.events import ChatBack, ChatLost, CycleEnded, Event, Reloaded, ReloadRefused
from tests.factories import NOW, a_fire_drill, with_feed
from tests.monitoring.reported import (
    RECEIPT,
    UNWRITABLE,
    a_breach,
    a_failed_record,
    a_low_balance,
    a_pause,
    a_quiet_record,
    a_stuck_transaction,
    a_trade,
    ended,
    inputs_of,
    lead_lost,
    leads,
    lost,
    stands_by,
    started,
    stopped,
    with_inputs,
)

HOUR, DAY = 3_600.0, 86_400.0
MORNING = NOW - NOW % 86_400 + 7 * 3_600
PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")


def all_told(events: Iterable[Event], memory: AlertMemory | None = None) -> list[tuple[Alert, ...]]:
    """The alerts of each event, in turn."""
    memory, alerts = memory or AlertMemory(), []
    for event in events:
        memory, of_event = alerts_after(memory, event, summary_hour=7)
        alerts.append(of_event)
    return alerts


def names(alerts: Iterable[Alert]) -> list[str]:
    return [f"over {alert.kind.name}" if alert.over else alert.kind.name for alert in alerts]


def a_suspect_price(trust: Trust = Trust.SUSPECT) -> DecisionRecord:
    record = a_quiet_record()
    snapshot = with_feed(
        inputs_of(record).snapshot, "WETH", trust=trust, reason="WETH: 9 % off", rule="disagrees"
    )
    return with_inputs(record, snapshot=snapshot)


ONE_OF_EACH: dict[AlertKind, Event] = {
    kinds.STARTED: started(),
    kinds.STOPPED: stopped(),
    kinds.RELOADED: Reloaded(NOW, ("size.max_leverage = 1.5 (it was 2.0)",)),
    kinds.RELOAD_REFUSED: ReloadRefused(NOW, UNWRITABLE),
    kinds.REBALANCED: ended(a_trade()),
    kinds.RIPCORD: ended(a_trade(Action.RIPCORD)),
    kinds.BREACH: ended(a_breach()),
    kinds.STUCK: ended(a_stuck_transaction()),
    kinds.PAUSED: ended(a_pause()),
    kinds.SUSPECT_DATA: ended(a_suspect_price()),
    kinds.LOW_GAS: ended(a_low_balance()),
    kinds.FAILING: ended(a_failed_record()),
    kinds.UNWRITABLE: lost(),
    kinds.CHAT_LOST: ChatLost(NOW, "getUpdates: HTTP 401"),
    kinds.LEADS: leads(),
    kinds.LEAD_LOST: lead_lost(),
    kinds.NOT_ELIGIBLE: stands_by("NodeUnavailable: no answer"),
}


@pytest.mark.parametrize("kind", ONE_OF_EACH, ids=lambda kind: kind.name)
def test_each_fault_gives_its_alert_once(kind: AlertKind) -> None:
    event = ONE_OF_EACH[kind]
    first, again = all_told([event, event])
    assert names(first) == [kind.name]
    assert names(again) == ([] if kind.lasts else [kind.name])


def test_a_reload_is_told_with_what_changed_and_a_refusal_with_its_remedy() -> None:
    (reloaded,), (refused,) = all_told([ONE_OF_EACH[kinds.RELOADED], ONE_OF_EACH[kinds.RELOAD_REFUSED]])
    assert "size.max_leverage = 1.5 (it was 2.0)" in reloaded.body
    assert UNWRITABLE.message in refused.body
    assert f"{UNWRITABLE.remedy} The old settings stay in force." in refused.body


def test_a_quiet_cycle_tells_nothing() -> None:
    assert all_told([ended(a_quiet_record())] * 3) == [(), (), ()]


def test_the_first_leader_of_a_journal_and_a_standby_without_trouble_are_no_news() -> None:
    assert all_told([leads(before=""), stands_by(), stands_by()]) == [(), (), ()]


def test_a_cycle_that_the_lost_lead_ended_is_no_trouble_of_the_journal() -> None:
    no_lead = Failure("LeaseLost", 7, "this keeper does not lead now", "It stands by.")
    assert all_told([lost(no_lead)]) == [()]
    assert names(all_told([lost(no_lead), lead_lost()])[-1]) == ["lead_lost"]


def test_what_hindered_a_standby_is_over_when_it_could_take_over_or_leads() -> None:
    hindered = stands_by("NodeUnavailable: no answer")
    assert names(all_told([hindered, stands_by()])[-1]) == ["over not_eligible"]
    assert names(all_told([hindered, leads()])[-1]) == ["leads", "over not_eligible"]
    assert names(all_told([lost(), stands_by()])[-1]) == ["over unwritable"]


@pytest.mark.parametrize("kind", ALERT_KINDS, ids=lambda kind: kind.name)
def test_every_kind_has_a_row_on_the_page(kind: AlertKind) -> None:
    assert f"| `{kind.name}` | {kind.severity.value} | {kind.meaning} |" in PAGE


def test_a_rebalance_has_a_table_of_the_weights() -> None:
    realised = PostState(999_000.0, 1.26, 3.5, (0.68, 0.58, 0.0, 0.0))
    record = replace(a_trade(), realised=realised)
    ((alert,),) = all_told([ended(record)])
    assert RECEIPT.tx_hash in alert.body
    lines = alert.body.splitlines()
    assert [line.split() for line in lines if line.startswith(("WBTC", "WETH", "leverage"))] == [
        ["WBTC", "0.0", "%", "68.0", "%", "68.0", "%"],
        ["WETH", "0.0", "%", "58.0", "%", "58.0", "%"],
        ["leverage", "0.000", "1.260", "1.260"],
    ]


def test_what_lasts_is_told_again_after_a_while_and_its_end_once() -> None:
    paused = a_pause()
    times = [0.0, HOUR, REMIND_S, REMIND_S + HOUR]
    alerts = all_told([ended(paused, NOW + at) for at in times])
    assert [names(it) for it in alerts] == [["paused"], [], ["paused"], []]
    alerts = all_told(
        [ended(paused), ended(a_quiet_record(), NOW + HOUR), ended(a_quiet_record(), NOW + 2 * HOUR)]
    )
    assert [names(it) for it in alerts] == [["paused"], ["over paused"], []]


def test_only_the_chat_ends_what_the_chat_began() -> None:
    lost_chat = ONE_OF_EACH[kinds.CHAT_LOST]
    alerts = all_told([lost_chat, ended(a_quiet_record()), lost_chat, ChatBack(NOW), ended(a_quiet_record())])
    assert [names(it) for it in alerts] == [["chat_lost"], [], [], ["over chat_lost"], []]
    assert "getUpdates: HTTP 401" in alerts[0][0].body


def test_a_state_that_comes_and_goes_is_told_once_an_hour() -> None:
    records = [a_low_balance(), a_quiet_record()] * 6
    alerts = all_told([ended(record, NOW + 300.0 * place) for place, record in enumerate(records)])
    assert [name for it in alerts for name in names(it)] == ["low_gas", "over low_gas"]
    later = all_told([ended(record, NOW + 2_000.0 * place) for place, record in enumerate(records[:3])])
    assert [names(it) for it in later] == [["low_gas"], ["over low_gas"], ["low_gas"]]


def test_a_critical_state_that_returns_is_told_after_minutes() -> None:
    records = [a_breach(), a_quiet_record(), a_breach()]
    alerts = all_told([ended(record, NOW + 200.0 * place) for place, record in enumerate(records)])
    assert [names(it) for it in alerts] == [["breach"], ["over breach"], ["breach"]]


def test_a_cycle_that_read_nothing_ends_no_state_of_the_vault() -> None:
    alerts = all_told([ended(a_pause()), ended(a_failed_record(), NOW + 60.0), ended(a_pause(), NOW + 120.0)])
    assert [names(it) for it in alerts] == [["paused"], ["failing"], ["over failing"]]


def test_an_outcome_that_is_not_known_is_stuck() -> None:
    unknown = Failure("OutcomeUnknown", OutcomeUnknown.exit_code, "not known", "Wait.")
    assert names(all_told([ended(a_failed_record(failure=unknown))])[0]) == ["stuck"]
    assert all_told([ended(a_stuck_transaction(waited_s=30))]) == [()]


def test_a_second_cause_of_a_pause_is_news() -> None:
    alerts = all_told([ended(a_pause()), ended(a_pause("day_loss"), NOW + 60.0)])
    assert [names(it) for it in alerts] == [["paused"], ["paused", "over paused"]]


def test_a_price_that_gets_worse_is_news() -> None:
    alerts = all_told([ended(a_suspect_price()), ended(a_suspect_price(Trust.DEAD), NOW + 60.0)])
    assert [names(it) for it in alerts] == [["suspect_data"], ["suspect_data", "over suspect_data"]]
    assert "keeper explain disagrees" in alerts[0][0].body


def test_a_smaller_survivable_fall_is_told_from_its_highest() -> None:
    falls = [0.2, 0.3, 0.3, 0.1, 0.1, 0.3]
    alerts = all_told(
        [
            ended(with_inputs(a_quiet_record(), drill=a_fire_drill(fall)), NOW + 60.0 * place)
            for place, fall in enumerate(falls)
        ]
    )
    assert [names(it) for it in alerts] == [[], [], [], ["smaller_fall"], [], []]
    assert "10%, it was 30%" in alerts[3][0].title
    assert "liquidation is in the way at 20%" in alerts[3][0].body


def test_a_look_without_a_fire_drill_says_nothing_of_the_fall() -> None:
    drills = [a_fire_drill(0.3), None, a_fire_drill(0.1, outcomes=())]
    alerts = all_told(
        [
            ended(with_inputs(a_quiet_record(), drill=drill), NOW + 60.0 * place)
            for place, drill in enumerate(drills)
        ]
    )
    assert [names(it) for it in alerts] == [[], [], []]


def test_a_check_after_a_transaction_that_failed_is_told() -> None:
    check = Check("outputs_as_quoted", 31.0, 20.0, False, "USDC sold for less LINK than quoted")
    ((first, second),) = all_told([ended(replace(a_trade(), post_trade=(check,)))])
    assert names((first, second)) == ["post_trade", "rebalanced"]


def test_the_day_is_summed_up_once_after_its_hour() -> None:
    times = [MORNING - HOUR, MORNING + 60, MORNING + HOUR, MORNING + DAY - 60, MORNING + DAY + 60]
    alerts = all_told([ended(a_quiet_record(), float(at)) for at in times])
    assert [names(it) for it in alerts] == [[], ["summary"], [], [], ["summary"]]
    assert alerts[1][0].body.startswith("2 cycles, 0 failed, 0 trades")
    assert alerts[4][0].body.startswith("3 cycles, 0 failed, 0 trades")
    assert "share price +0.00%" in alerts[4][0].body


def test_a_summary_of_a_day_without_a_reading_says_so() -> None:
    times = [MORNING - HOUR, MORNING + 60]
    (alert,) = [
        alert
        for it in all_told([ended(a_failed_record(), float(at)) for at in times])
        for alert in it
        if alert.kind is kinds.SUMMARY
    ]
    assert "The vault could not be read" in alert.body


def test_too_many_messages_are_held_back_and_counted_but_no_critical_one() -> None:
    events: list[Event] = [started(NOW + place) for place in range(MAX_PER_HOUR + 5)]
    alerts = all_told([*events, ended(a_breach(), NOW + 100.0), started(NOW + 2 * HOUR)])
    assert [len(it) for it in alerts] == [1] * MAX_PER_HOUR + [0] * 5 + [1, 1]
    assert "(5 earlier messages were held back.)" in alerts[-2][0].body
    assert "held back" not in alerts[-1][0].body


def test_the_gravest_is_told_first() -> None:
    breach = a_breach()
    paused = with_inputs(breach, pause_state=inputs_of(a_pause()).pause_state)
    assert names(all_told([ended(paused)])[0]) == ["breach", "paused"]


def test_a_ripcord_is_told_also_by_a_dry_run() -> None:
    ripcord = replace(a_trade(Action.RIPCORD), receipt=None)
    ((alert,),) = all_told([CycleEnded(float(NOW), ripcord)])
    assert alert.kind is kinds.RIPCORD
