"""Every `keeper` command that a document, a message or a deployment file names can be typed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from keeper.cli.app import COMMANDS
from keeper.cli.main import main
from keeper.decision.gates import LIMITS, TRIGGERS
from keeper.domain import errors
from keeper.domain.pause_causes import PAUSE_CAUSES
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.monitoring.alert_kinds import ALERT_KINDS
from keeper.settings.fields import setting_fields, variable
from tests.documented_commands import commands, mistake

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "SECURITY.md",
    ROOT / ".env.example",
    *sorted((ROOT / "docs").rglob("*.md")),
]
SOURCES = sorted((ROOT / "keeper").rglob("*.py"))
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_exists(page: Path) -> None:
    wrong = {line: mistake(line) for line in commands(page.read_text(encoding="utf-8"))}
    assert not {line: why for line, why in wrong.items() if why}


def test_the_readme_has_every_command() -> None:
    listed = {line.split()[0] for line in commands((ROOT / "README.md").read_text(encoding="utf-8"))}
    assert listed == set(COMMANDS)


def test_every_command_that_a_message_names_exists() -> None:
    named = {
        span
        for source in SOURCES
        for span in re.findall(r"`keeper ([^`{}]+)`", source.read_text(encoding="utf-8"))
    }
    assert len(named) > 20
    assert not {span: mistake(span) for span in named if mistake(span)}


def test_the_runbook_has_fifteen_cases_and_each_has_something_to_type() -> None:
    cases = re.split(r"^### \d+\. ", RUNBOOK.split("\n## ")[1], flags=re.MULTILINE)[1:]
    assert re.findall(r"^### (\d+)\. ", RUNBOOK, flags=re.MULTILINE) == [
        str(number) for number in range(1, 16)
    ]
    assert len(cases) == 15
    for case in cases:
        assert list(commands(case)), case.splitlines()[0]


def test_what_the_runbook_looks_for_has_that_name() -> None:
    rules = set(
        re.findall(r"- alert: (\w+)", (ROOT / "deploy/monitoring/keeper.rules.yml").read_text("utf-8"))
    )
    names = {
        *rules,
        *(kind.name for kind in ALERT_KINDS),
        *(rule.name for rule in (*LIMITS, *TRIGGERS)),
        *(cause.name for cause in PAUSE_CAUSES),
        *(name for name, value in vars(errors).items() if isinstance(value, type)),
        *(variable(name) for name, _ in setting_fields() if "[]" not in name),
    }
    seen_as = re.findall(r"^Seen as: (.*?)\n\n", RUNBOOK, flags=re.MULTILINE | re.DOTALL)
    assert len(seen_as) == 15
    named = {name for text in seen_as for name in re.findall(r"`(\w+)`", text)}
    assert len(named) > 20
    assert named <= names


def test_the_backup_of_a_journal_that_is_open_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (line,) = [line for line in RUNBOOK.splitlines() if "python3 -c" in line]
    monkeypatch.chdir(tmp_path)
    with Journal.open(f"sqlite:///{tmp_path / 'keeper.db'}") as journal:
        Switches(journal, lambda: 0.0).seal("code", "ab" * 32)
        words = shlex.split(line)
        command = words[words.index("python3") + 1 :]
        command[-2:] = ["keeper.db", "copy.db"]
        subprocess.run([sys.executable, *command], cwd=tmp_path, check=True)
    monkeypatch.setenv("KEEPER_JOURNAL_URL", f"sqlite:///{tmp_path / 'copy.db'}")
    with pytest.raises(SystemExit) as ended:
        main(("journal", "verify"))
    assert ended.value.code in (0, None)
    assert "1 entries" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("rebalance --simulate", None),
        ("journal show ID", None),
        ("vault deploy vault.toml --execute", None),
        ("rebalence --simulate", "there is no command rebalence"),
        ("journal shwo ID", "there is no command shwo"),
        ("pause --because noon", "there is no option --because"),
        ("vault deploy --exceute", "there is no option --exceute"),
    ],
)
def test_a_command_that_does_not_exist_is_seen(line: str, why: str | None) -> None:
    assert mistake(line) == why


def test_commands_are_found_where_people_type_them() -> None:
    page = """
`keeper status` and `sudo -u keeper keeper pause --reason "why"`, but the keeper pauses itself.

```sh
KEEPER_ENV_FILE=/etc/x keeper journal verify    # checks
/opt/keeper/.venv/bin/keeper seal && keeper doctor
sudo -u keeper env KEEPER_JOURNAL_URL=sqlite:////x keeper journal list
docker compose --env-file images.env exec keeper keeper explain
docker compose --env-file images.env run --rm keeper unblock --execute
docker compose --env-file images.env stop keeper
```
"""
    assert list(commands(page)) == [
        "journal verify",
        "seal",
        "doctor",
        "journal list",
        "explain",
        "unblock --execute",
        "status",
        'pause --reason "why"',
    ]


def test_nothing_sets_a_variable_that_sudo_drops() -> None:
    for page in PAGES:
        assert not re.search(r"^ *KEEPER_\w+=\S+ +sudo ", page.read_text(encoding="utf-8"), re.MULTILINE), (
            page
        )
