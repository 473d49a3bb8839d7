"""Alert rules and dashboard name metrics that exist, and Prometheus' own tool agrees with the rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keeper.decision.gates import LIMITS, TRIGGERS
from keeper.domain.record import CycleOutcome
from keeper.monitoring.metrics import METRICS

FOLDER = Path(__file__).parents[1] / "deploy" / "monitoring"
RULES = (FOLDER / "keeper.rules.yml").read_text(encoding="utf-8")
RULE_TESTS = (FOLDER / "keeper.rules.test.yml").read_text(encoding="utf-8")
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text(encoding="utf-8"))
PROMTOOL = shutil.which("promtool")
KNOWN = {metric.full_name: metric.labels for metric in METRICS} | {"process_resident_memory_bytes": ()}
OF_PROMETHEUS = {"instance", "job"}


def expressions(value: Any) -> Iterator[str]:
    """Every PromQL text of the dashboard."""
    if isinstance(value, dict):
        yield from (text for key, text in value.items() if key == "expr")
        for entry in value.values():
            yield from expressions(entry)
    elif isinstance(value, list):
        for entry in value:
            yield from expressions(entry)


SOURCES = {
    "rules": RULES,
    "tests of the rules": RULE_TESTS,
    "dashboard": "\n".join([*expressions(DASHBOARD), json.dumps(DASHBOARD["templating"])]),
}


@pytest.mark.parametrize("source", SOURCES)
def test_every_metric_that_is_named_exists(source: str) -> None:
    named = set(re.findall(r"\b(keeper_[a-z_]+|process_[a-z_]+)\b", SOURCES[source]))
    assert named
    assert named <= set(KNOWN)


@pytest.mark.parametrize("source", SOURCES)
def test_every_label_that_is_named_exists(source: str) -> None:
    for metric, selector in re.findall(r"\b(keeper_[a-z_]+)\{([^}]*)\}", SOURCES[source]):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
        assert labels <= {*KNOWN[metric], *OF_PROMETHEUS, "even"}, (metric, selector)


def test_the_gates_triggers_and_outcomes_that_rules_name_exist() -> None:
    gates = {name for text in re.findall(r'gate!?[=~]+"([^"]+)"', RULES) for name in text.split("|")}
    assert gates <= {rule.name for rule in LIMITS}
    assert re.search(r"health_factor_\(act\|alert\)", RULES)
    assert {"health_factor_act", "health_factor_alert"} <= {rule.name for rule in TRIGGERS}
    outcomes = {name for text in re.findall(r'outcome=~?"([^"]+)"', RULES) for name in text.split("|")}
    assert outcomes <= {*(outcome.value for outcome in CycleOutcome), "LOST"}


def test_every_rule_says_how_grave_it_is_and_what_happened() -> None:
    alerts = RULES.split("- alert: ")[1:]
    assert len(alerts) > 15
    for alert in alerts:
        assert re.search(r"severity: (critical|warning)\b", alert), alert
        assert "summary: " in alert


def test_panels_have_their_own_places_and_ids() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is missing: install Debian's package prometheus")
@pytest.mark.parametrize(
    "command",
    [
        ("check", "rules", "keeper.rules.yml"),
        ("check", "config", "--syntax-only", "prometheus.yml"),
        pytest.param(("test", "rules", "keeper.rules.test.yml"), marks=pytest.mark.slow),  # ten seconds
    ],
)
def test_promtool_agrees(command: tuple[str, ...]) -> None:
    assert PROMTOOL is not None
    ran = subprocess.run([PROMTOOL, *command], cwd=FOLDER, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
