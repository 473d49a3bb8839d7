from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from keeper.decision.gates import LIMITS, TRIGGERS
from keeper.domain.decision import Gate
from keeper.domain.head_socket import HeadSocketState
from keeper.domain.leadership import LeaseReading
from keeper.domain.market import Trust
from keeper.domain.pause_causes import PAUSE_CAUSES
from keeper.domain.plan import Check
from keeper.domain.record import STAGES, CycleOutcome, DecisionRecord, StageTime
from keeper.domain.urgency import Urgency
from keeper.monitoring.daemon_state import DaemonState, after
from keeper.monitoring.events import CycleBegan, Event
from keeper.monitoring.exporter import Pages
from keeper.monitoring.metrics import METRICS, Metric
from keeper.planning.checks import CHECKS, POST_TRADE_CHECKS
from keeper.views.record import RECORD
from tests.factories import NOW, with_feed
from tests.monitoring.reported import (
    a_failed_record,
    a_low_balance,
    a_pause,
    a_quiet_record,
    a_stuck_transaction,
    a_trade,
    ended,
    inputs_of,
    leads,
    lost,
    stands_by,
    started,
    with_gate,
    with_inputs,
)

PAGE = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text(encoding="utf-8")
Values = dict[tuple[str, tuple[str, ...]], float]


def state_after(*events: Event) -> DaemonState:
    state = DaemonState()
    for event in events:
        state = after(state, event)
    return state


def scraped(*events: Event) -> Values:
    """What Prometheus reads, by sample name and values of the labels, which are in the order of their names."""
    state = state_after(*events)
    _, _, body = Pages(lambda: state, lambda: float(NOW)).answer("/metrics")
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def of(record: DecisionRecord) -> Values:
    return scraped(ended(record))


def test_who_leads_is_a_number_only_with_standby() -> None:
    ours = ("keeper_leader", "keeper_lease_age_seconds", "keeper_standby_eligible")
    assert not {name for name, _ in scraped(ended(a_quiet_record()))} & set(ours)

    def values(lease: LeaseReading, *events: Event) -> list[float | None]:
        state = replace(state_after(*events), lease=lease)
        _, _, body = Pages(lambda: state, lambda: float(NOW)).answer("/metrics")
        families = text_string_to_metric_families(body.decode())
        read = {sample.name: sample.value for family in families for sample in family.samples}
        return [read.get(name) for name in ours]

    assert values(LeaseReading(held=True, age_s=1.5), leads()) == [1.0, 1.5, None]
    assert values(LeaseReading(held=False, age_s=7.0), leads()) == [0.0, 7.0, None]
    assert values(LeaseReading(held=False, age_s=None), stands_by()) == [0.0, None, 1.0]
    assert values(LeaseReading(held=False, age_s=None), stands_by("no node")) == [0.0, None, 0.0]


def test_websockets_are_counted_only_where_there_are_some() -> None:
    def values(*sockets: HeadSocketState) -> dict[str, float]:
        state = replace(state_after(ended(a_quiet_record())), head_sockets=sockets)
        _, _, body = Pages(lambda: state, lambda: float(NOW)).answer("/metrics")
        return {
            sample.labels.get("state", "heard"): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
            if sample.name.startswith("keeper_head_") and "age" not in sample.name
        }

    assert values() == {}
    never = HeadSocketState("ws://one", heard_at=None, trouble="closed the socket")
    assert values(never) == {"live": 0.0, "lost": 1.0}
    told = HeadSocketState("ws://two", heard_at=NOW - 3.0, trouble="")
    gone = HeadSocketState("ws://three", heard_at=NOW - 9.0, trouble="closed the socket")
    assert values(never, told, gone) == {"live": 1.0, "lost": 2.0, "heard": NOW - 3.0}


def names(values: Values, metric: str) -> set[str]:
    return {labels[0] for name, labels in values if name == metric}


def test_names_are_unique_and_follow_the_rules_of_prometheus() -> None:
    full = [metric.full_name for metric in METRICS]
    assert len(full) == len(set(full))
    for metric in METRICS:
        assert re.fullmatch(r"keeper_[a-z][a-z0-9_]*", metric.full_name)
        assert metric.meaning.endswith(".")
        assert not re.search(r"_(ms|millis|percent|pct|bps)\b", metric.name)


@pytest.mark.parametrize(
    ("metric", "table"),
    [
        ("keeper_trigger_fired", [rule.name for rule in TRIGGERS]),
        ("keeper_gate_failing", [rule.name for rule in LIMITS]),
        ("keeper_check_failing", list(CHECKS)),
        ("keeper_post_trade_check_failing", list(POST_TRADE_CHECKS)),
        ("keeper_paused", [cause.name for cause in PAUSE_CAUSES]),
        ("keeper_cycles_total", [*(outcome.value for outcome in CycleOutcome), "LOST"]),
    ],
)
def test_every_gate_check_and_cause_has_a_value_also_when_nothing_is_wrong(
    metric: str, table: Sequence[str]
) -> None:
    assert names(of(a_quiet_record()), metric) == set(table)


@pytest.mark.parametrize("rule", LIMITS, ids=lambda rule: rule.name)
def test_a_gate_that_fails_is_1_and_the_others_are_0(rule: object) -> None:
    name, kind = rule.name, rule.kind  # type: ignore[attr-defined]
    gate = Gate(name, kind, 3.0, 2.0, False, Urgency.ROUTINE, "", 0)
    values = of(with_gate(a_quiet_record(), gate))
    failing = {
        labels for (metric, labels), value in values.items() if metric == "keeper_gate_failing" and value
    }
    assert failing == {(name, kind)}
    assert (values["keeper_gate_value", (name,)], values["keeper_gate_limit", (name,)]) == (3.0, 2.0)


@pytest.mark.parametrize("cause", [cause.name for cause in PAUSE_CAUSES])
def test_a_pause_is_1_for_its_cause(cause: str) -> None:
    values = of(a_pause(cause))
    assert {labels for (name, labels), value in values.items() if name == "keeper_paused" and value} == {
        (cause,)
    }


def test_checks_that_fail_are_1() -> None:
    failed = replace(
        a_trade(), post_trade=(Check("nav_as_simulated", 30.0, 20.0, False, "NAV"),), verdict=None
    )
    values = of(failed)
    assert values["keeper_post_trade_check_failing", ("nav_as_simulated",)] == 1.0
    assert values["keeper_post_trade_check_failing", ("no_allowance_left",)] == 0.0
    assert values["keeper_check_failing", ("nav_loss",)] == 0.0


def test_the_vaults_numbers_are_those_of_the_record() -> None:
    record = a_quiet_record()
    values, whole = of(record), RECORD.json(record)
    for metric, key in (
        ("nav_usd", "nav_usd"),
        ("leverage_ratio", "leverage"),
        ("target_leverage_ratio", "target_leverage"),
        ("health_factor_ratio", "health_factor"),
        ("health_factor_floor_ratio", "health_factor_floor"),
    ):
        assert values[f"keeper_{metric}", ()] == whole[key]
    for asset in whole["assets"]:
        symbol = asset["symbol"]
        assert values["keeper_weight_ratio", (symbol, "present")] == asset["weight"]
        assert values["keeper_weight_ratio", (symbol, "target")] == asset["target_weight"]
        assert values["keeper_risk_share_ratio", (symbol, "target")] == asset["target_risk_share"]
        assert values["keeper_price_age_seconds", (symbol,)] == asset["price_age_s"]


def test_a_doubted_price_has_a_lower_trust() -> None:
    record = a_quiet_record()
    snapshot = with_feed(inputs_of(record).snapshot, "WETH", trust=Trust.SUSPECT)
    values = of(with_inputs(record, snapshot=snapshot))
    assert values["keeper_price_trust_level", ("WETH",)] == 1.0
    assert values["keeper_price_trust_level", ("WBTC",)] == 3.0


def test_the_ages_of_head_and_attempt() -> None:
    record = with_inputs(a_stuck_transaction(1_200), read_at=NOW + 7.5)
    values = of(record)
    assert values["keeper_head_age_seconds", ()] == 7.5
    assert values["keeper_attempt_age_seconds", ()] == 1_200.0
    assert of(a_quiet_record())["keeper_attempt_age_seconds", ()] == 0.0


def test_each_stage_has_its_time() -> None:
    times = tuple(StageTime(stage, 0.25) for stage in STAGES)
    values = of(replace(a_quiet_record(), stages=times))
    assert names(values, "keeper_stage_seconds") == set(STAGES)


def test_a_cycle_that_read_nothing_keeps_the_last_reading_and_its_time() -> None:
    values = scraped(ended(a_quiet_record()), ended(a_failed_record(started_at=NOW + 3_600.0)))
    assert values["keeper_nav_usd", ()] == pytest.approx(1_000_000.0)
    assert values["keeper_read_timestamp_seconds", ()] == NOW
    assert values["keeper_cycles_total", ("FAILED",)] == 1.0
    assert values["keeper_exit_code", ()] == 3.0


def test_decisions_are_counted_by_what_caused_them() -> None:
    events = [ended(a_trade()), ended(a_trade()), ended(a_quiet_record())]
    values = scraped(*events)
    assert values["keeper_decisions_total", ("REBALANCE", "risk_share", "ROUTINE")] == 2.0
    assert values["keeper_decisions_total", ("HOLD", "none", "ROUTINE")] == 1.0
    assert values["keeper_cycles_total", ("SENT",)] == 2.0
    assert values["keeper_gas_paid_eth_total", ()] == pytest.approx(0.04)


def test_a_journal_that_cannot_be_written_shows_until_it_can() -> None:
    assert scraped(lost())["keeper_journal_writable", ()] == 0.0
    assert scraped(lost(), ended(a_quiet_record()))["keeper_journal_writable", ()] == 1.0
    assert scraped(lost())["keeper_cycles_total", ("LOST",)] == 1.0


def test_a_daemon_before_its_first_cycle_is_scraped_too() -> None:
    values = scraped(started(), CycleBegan(float(NOW), None))
    assert values["keeper_info", ("live", "0.1.0")] == 1.0
    assert values["keeper_cycle_begin_timestamp_seconds", ()] == NOW
    assert ("keeper_nav_usd", ()) not in values


def test_the_process_is_measured() -> None:
    assert scraped()["process_resident_memory_bytes", ()] > 10**6


def test_a_low_balance_shows_as_its_gate() -> None:
    assert of(a_low_balance())["keeper_gate_failing", ("gas_balance", "limit")] == 1.0


def test_a_reading_that_breaks_is_an_answer_and_the_next_scrape_works() -> None:
    states = [state_after(ended(a_quiet_record()))]

    def state() -> DaemonState:
        return states[0]

    pages = Pages(state, lambda: float(NOW))
    states.clear()
    status, _, body = pages.answer("/metrics")
    assert status == 500
    assert b"log" in body
    states.append(DaemonState())
    assert pages.answer("/metrics")[0] == 200
    assert pages.answer("/secrets")[0] == 404


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.full_name)
def test_every_metric_has_a_row_on_the_page(metric: Metric) -> None:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    assert f"| `{metric.full_name}` | {labels} | {metric.meaning} |" in PAGE
