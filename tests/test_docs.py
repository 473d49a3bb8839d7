"""What an operator can meet is written down: every setting, gate, check, bound, error and exit code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keeper.decision.gate_rules import LimitRule, TriggerRule
from keeper.decision.gates import LIMITS, TRIGGERS
from keeper.domain import errors
from keeper.domain.errors import KeeperError
from keeper.domain.exit_codes import EXIT_CODES, ExitCode
from keeper.domain.hindrances import HINDRANCES, Hindrance
from keeper.domain.pause_causes import PAUSE_CAUSES, PauseCause
from keeper.oracle.rules import RULES, Rule
from keeper.planning.checks import CHECKS, MUST_HOLD, POST_TRADE_CHECKS
from keeper.settings.fields import setting_fields, variable
from keeper.settings.schema import STRATEGY, Settings
from keeper.sizing import restraint
from keeper.sizing.bounds import BOUNDS
from keeper.views.reference import meaning_of
from tests.cycle.market_states import a_market_state
from tests.tools import gates_page

ROOT = Path(__file__).parents[1]
SETTINGS_PAGE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
PRICES_PAGE = (ROOT / "docs" / "prices.md").read_text(encoding="utf-8")
CODES_PAGE = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
CLASS = re.compile(r"^ *class (\w+)\((\w+)[,)]", re.MULTILINE)
"""A class and the first that it extends. To parse the package takes a second, in each worker."""
ENDPOINTS = tuple(name for name in Settings.model_fields if name not in STRATEGY)


def row(page: str, name: str) -> str:
    found = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
    assert len(found) == 1, f"{name} has {len(found)} rows"
    return found[0]


def every_error() -> dict[str, int]:
    """Every error class in the package and its exit code, found in the source: a module need not be imported."""
    parents: dict[str, str] = {}
    codes: dict[str, int] = {"KeeperError": KeeperError.exit_code}
    for path in sorted((ROOT / "keeper").rglob("*.py"), key=lambda path: path.parent.name != "domain"):
        for name, parent in CLASS.findall(path.read_text(encoding="utf-8")):
            parents.setdefault(name, parent)
            own = vars(errors).get(name)
            if own is not None and "exit_code" in vars(own):
                codes[name] = own.exit_code
    found = {}
    for name in parents:
        above = name
        while above in parents and above not in codes:
            above = parents[above]
        if above in codes and name != "KeeperError":
            found[name] = codes[above]
    return found


ERRORS = every_error()


@pytest.mark.parametrize("name", [name for name, _ in setting_fields()])
def test_every_setting_has_one_row_with_its_meaning(name: str) -> None:
    shown = name if name.split(".")[0].removesuffix("[]") in STRATEGY else variable(name)
    field = dict(setting_fields())[name]
    assert field.description, f"{name} has no description"
    assert field.description in row(SETTINGS_PAGE, shown)


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_endpoint_and_secret_is_in_the_environment_example(name: str) -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.search(rf"^#?{variable(name)}=", text, flags=re.MULTILINE)


def test_the_environment_example_names_nothing_unknown() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    names = set(re.findall(r"^#?(KEEPER_\w+)=", text, flags=re.MULTILINE))
    known = {variable(name) for name, _ in setting_fields() if "[]" not in name}
    assert names <= known


@pytest.mark.parametrize("rule", [*TRIGGERS, *LIMITS], ids=lambda rule: rule.name)
def test_every_gate_has_a_row_with_its_kind_condition_code_and_meaning(rule: TriggerRule | LimitRule) -> None:
    code = "–" if isinstance(rule, TriggerRule) else rule.exit_code
    expected = f"| `{rule.name}` | {rule.kind} | {rule.judged} | {code} | {rule.meaning} |"
    assert row(CODES_PAGE, rule.name) == expected


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_about_prices_has_a_row_with_its_verdict_and_meaning(rule: Rule) -> None:
    written = row(PRICES_PAGE, rule.name)
    assert f"| {rule.trust.value} |" in written
    assert rule.meaning in written


@pytest.mark.parametrize("name", CHECKS)
def test_every_check_has_a_row_with_what_it_demands(name: str) -> None:
    assert CHECKS[name] in row(CODES_PAGE, name)


@pytest.mark.parametrize("name", POST_TRADE_CHECKS)
def test_every_check_of_what_was_mined_has_a_row_with_what_it_demands(name: str) -> None:
    assert POST_TRADE_CHECKS[name] in row(CODES_PAGE, name)


def test_what_must_hold_after_a_plan_is_checked_after_it() -> None:
    assert set(MUST_HOLD) <= set(POST_TRADE_CHECKS)


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_error_has_a_row_with_its_exit_code_and_meaning(name: str) -> None:
    meaning = meaning_of(getattr(errors, name))
    assert row(CODES_PAGE, name) == f"| `{name}` | {ERRORS[name]} | {meaning} |"


@pytest.mark.parametrize("code", sorted({*ERRORS.values(), 0, 1, 130}))
def test_every_exit_code_has_a_meaning(code: int) -> None:
    assert code in {entry.code for entry in EXIT_CODES}


@pytest.mark.parametrize("entry", EXIT_CODES, ids=lambda entry: entry.code)
def test_every_exit_code_has_a_row_with_its_meaning_and_remedy(entry: ExitCode) -> None:
    meaning, remedy = (text.replace("|", "\\|") for text in (entry.meaning, entry.remedy))
    assert f"| {entry.code} | {meaning} | {remedy} |" in CODES_PAGE.splitlines()


@pytest.mark.parametrize("cause", PAUSE_CAUSES, ids=lambda cause: cause.name)
def test_every_cause_of_a_pause_has_a_row_with_its_meaning_and_remedy(cause: PauseCause) -> None:
    assert f"| by `{cause.name}` | {cause.meaning} | {cause.remedy} |" in CODES_PAGE.splitlines()


def test_every_bound_on_leverage_has_a_meaning_and_a_row_with_it() -> None:
    state = a_market_state(0)
    names = {bound.name.partition(":")[0] for bound in state.assessed().target.bounds}
    # That of several accounts stands for others.
    assert names | {"accounts"} == set(BOUNDS)
    for name, meaning in (*BOUNDS.items(), (restraint.NAME, restraint.MEANING)):
        assert re.search(rf"^\| `{name}(:SYMBOL)?` \| {re.escape(meaning)} \|$", CODES_PAGE, re.MULTILINE), (
            name
        )


@pytest.mark.parametrize("hindrance", Hindrance)
def test_every_hindrance_of_an_emergency_has_its_meaning(hindrance: Hindrance) -> None:
    assert row(CODES_PAGE, hindrance.value) == f"| `{hindrance}` | {HINDRANCES[hindrance]} |"


def test_every_fact_that_can_be_missing_is_listed() -> None:
    look = a_market_state(0).assessed().information.look
    assert look is not None
    page = (ROOT / "docs" / "information.md").read_text(encoding="utf-8")
    listed = {name.partition(":")[0] for name in re.findall(r"`([a-z_]+(?::[A-Z]+)?)`", page)}
    assert {fact.name.partition(":")[0] for fact in look.facts} <= listed


def test_the_page_of_prices_says_which_gate_stops_which_trade() -> None:
    assert gates_page.page(PRICES_PAGE) == PRICES_PAGE, "run `make gates`"
