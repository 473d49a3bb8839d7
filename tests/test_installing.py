"""What is installed: never another project's package under this one's name, only what runs, and under which licences."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.errors import WHEEL, install_extra
from keeper.settings.fields import setting_fields, variable

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
            content = path.read_bytes()
            if (
                b"\0" not in content
            ):  # what a tool has left, such as the database of measured coverage, tells nobody
                yield str(path.relative_to(ROOT)), content.decode("utf-8")


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


def locked(name: str) -> dict[str, set[str]]:
    """``package==version`` of a lock file to its hashes."""
    found: dict[str, set[str]] = {}
    entry = ""
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if pinned := re.match(r"[a-z0-9][\w.-]*==[^\s;]+", line):
            entry = pinned.group()
            found[entry] = set()
        found.setdefault(entry, set()).update(re.findall(r"--hash=(\S+)", line))
    return found


def test_the_lock_for_servers_is_the_part_of_the_whole_lock_that_runs() -> None:
    whole, runtime = locked("requirements.lock"), locked("requirements-runtime.lock")
    assert all(whole.get(entry) == hashes and hashes for entry, hashes in runtime.items())
    names = {entry.partition("==")[0] for entry in runtime}
    asked = {
        re.split(r"[\[<>=]", text)[0].lower()
        for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["postgres"]]
    }
    assert asked <= names
    assert not names & {"pytest", "ruff", "mypy", "hatchling", "uv", "numba", "plotly", "dask", "pyarrow"}


def test_the_page_names_the_file_that_is_built_and_settings_that_exist() -> None:
    page = (ROOT / "docs" / "installing.md").read_text(encoding="utf-8")
    assert set(re.findall(r"riskparity_keeper-[\w.-]+", page)) == {WHEEL}
    known = {variable(name) for name, _ in setting_fields() if "[]" not in name}
    assert set(re.findall(r"^(KEEPER_\w+)=", page, flags=re.MULTILINE)) <= known


NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")
ROW = re.compile(
    r"^  (?P<name>\S+) (?P<version>[\d.]+) {2,}(?P<licence>\S+(?: OR \S+)?)(?: {2,}(?P<what>.*))?$", re.M
)
CONTAINED, USED, _ = re.split(r"^[23]\. .*$", NOTICE, flags=re.M)
NODE_MODULES = ROOT / "node_modules"
needs_npm = pytest.mark.skipif(not NODE_MODULES.exists(), reason="no node_modules: run make setup")
PERMISSIVE = re.compile(r"MIT|BSD|Apache|ISC|PSF|Python Software Foundation|Zlib|CC0|CNRI|Public Domain")


def rows(text: str) -> set[tuple[str, str, str]]:
    return {(row["name"], row["version"], row["licence"]) for row in ROW.finditer(text)}


@needs_npm
def test_the_notice_has_every_npm_package_with_the_licence_that_it_declares() -> None:
    asked = json.loads((ROOT / "package.json").read_text(encoding="utf-8"))["dependencies"]
    declared = {
        name: json.loads((NODE_MODULES / name / "package.json").read_text(encoding="utf-8")) for name in asked
    }
    assert rows(USED) == {
        (name, version.rpartition("@")[2], declared[name]["license"].replace("BUSL1.1", "BUSL-1.1"))
        for name, version in asked.items()
    }


@needs_npm
def test_the_notice_has_the_licence_of_every_file_that_the_vault_imports() -> None:
    imported = set()
    for source in (ROOT / "deploy" / "contracts").rglob("*.sol"):
        if source.parent.name not in ("devnet", "test"):
            imported |= set(re.findall(r'"(@[^"]+\.sol)"', source.read_text(encoding="utf-8")))
    assert imported
    for file in imported:
        first = (NODE_MODULES / file).read_text(encoding="utf-8").splitlines()[0]
        licence = first.removeprefix("// SPDX-License-Identifier: ")
        package = "/".join(file.split("/")[:2])
        assert (package, licence) in {(name, of) for name, _, of in rows(CONTAINED)}, file


def test_the_notice_has_the_origin_of_every_abi() -> None:
    for file in (ROOT / "contracts_abi").glob("*.json"):
        origin = json.loads(file.read_text(encoding="utf-8")).get("source", "")
        if package := re.match(r"npm (\S+) ([\d.]+):", origin):
            named = [row["what"] for row in ROW.finditer(CONTAINED) if row["name"] == package.group(1)]
            assert re.search(rf"\b{file.stem}\b", " ".join(named)), file.name
            assert package.groups() in {(name, version) for name, version, _ in rows(CONTAINED)}


def test_the_notice_names_every_package_of_a_server_that_is_not_permissive() -> None:
    for entry in locked("requirements-runtime.lock"):
        name = entry.partition("==")[0]
        try:
            about = metadata(name)
        except PackageNotFoundError:
            continue  # for another platform
        fields = [about.get_all(field) or [] for field in ("License-Expression", "License", "Classifier")]
        licences = [*fields[0], *fields[1], *(text for text in fields[2] if text.startswith("License"))]
        permissive = bool(PERMISSIVE.search(" ".join(licences)))
        assert permissive or re.search(rf"^  {name} ", NOTICE, flags=re.M), (name, licences)
