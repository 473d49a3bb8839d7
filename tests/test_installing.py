"""Nobody is ever told to install another project's package under a name of this one's."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.errors import WHEEL, install_extra

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOLD = ("keeper", "docs", "deploy", "tests", ".ci")
"""Folders whose files tell people, or machines, what to install; the files beside them do too."""
SUFFIXES = {"", ".md", ".py", ".toml", ".yml", ".yaml", ".service", ".example", ".sh", ".cfg"}


def texts() -> Iterator[tuple[str, str]]:
    """Every file that can tell somebody what to install, and its content."""
    places = [path for path in ROOT.iterdir() if path.is_file()]
    for folder in TOLD:
        places += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    for path in sorted(places):
        if path.suffix in SUFFIXES and path != Path(__file__) and not path.name.endswith(".lock"):
            yield str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")


def requirements(text: str) -> Iterator[str]:
    """What each `pip install` of the text names: requirements, without options and their values."""
    for told in re.findall(r"\bpip['\"]?,? ['\"]?install\b([^\n`|;&]*)", text.replace("\\\n", " ")):
        try:
            words = shlex.split(told)
        except ValueError:
            words = told.split()
        skipped = False
        for word in words:
            if skipped or word.startswith("-"):
                skipped = word in ("-r", "-c", "--requirement", "--constraint", "--find-links")
                continue
            yield word.strip("\"'.,():").rstrip(")") or "."


def names_us(requirement: str) -> bool:
    """Whether an index would be asked for a package of this name."""
    name = re.split(r"[\[<>=~! @]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower() in {"keeper", PROJECT["name"]}


def test_the_distribution_has_a_name_of_its_own_and_the_command_is_keeper() -> None:
    assert PROJECT["name"] == "riskparity-keeper"
    assert PROJECT["scripts"] == {"keeper": "keeper.cli.main:main"}
    assert WHEEL.startswith(PROJECT["name"].replace("-", "_") + "-")


def test_no_text_lets_pip_fetch_a_package_of_this_name_from_an_index() -> None:
    told = [(file, name) for file, text in texts() for name in requirements(text) if names_us(name)]
    assert told == []


@pytest.mark.parametrize("extra", PROJECT["optional-dependencies"])
def test_the_remedy_for_a_missing_package_names_a_checkout_or_a_file(extra: str) -> None:
    named = [word for word in shlex.split(install_extra(extra).rstrip(".")) if f"[{extra}]" in word]
    assert named == [f".[{extra}],", f"./{WHEEL}[{extra}]"]


@pytest.mark.parametrize(
    ("text", "caught"),
    [
        ("pip install 'keeper[postgres]'", True),
        ("python -m pip install --quiet riskparity-keeper==0.1.0", True),
        ("pip install --require-hashes -r requirements-runtime.lock", False),
        (f"pip install './{WHEEL}[postgres]'", False),
        ("pip install -e '.[research]'", False),
    ],
)
def test_the_search_finds_a_name_and_no_file(text: str, caught: bool) -> None:
    assert any(map(names_us, requirements(text))) is caught
