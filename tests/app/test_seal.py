from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from keeper.app.seal import digests, require_unchanged
from keeper.domain.errors import Tampered
from keeper.runtime.shipped import PACKAGE

SETTINGS = "ab" * 32


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The installed program, somewhere where it may be edited."""
    shutil.copytree(PACKAGE, tmp_path / "keeper", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(PACKAGE.parent / "contracts_abi", tmp_path / "contracts_abi")
    return tmp_path


def test_the_same_program_elsewhere_has_the_same_digests(copy: Path) -> None:
    assert digests(SETTINGS, copy / "keeper") == digests(SETTINGS)


@pytest.mark.parametrize(
    ("file", "kind"),
    [("keeper/tx/allowlist.py", "code"), ("contracts_abi/Rebalancer.json", "abi")],
)
def test_row_70_one_edited_file_is_noticed_and_named(copy: Path, file: str, kind: str) -> None:
    sealed = digests(SETTINGS)
    with (copy / file).open("a") as edited:
        edited.write("\n")
    with pytest.raises(Tampered, match=kind):
        require_unchanged(sealed, digests(SETTINGS, copy / "keeper"))


@pytest.mark.parametrize("added", ["keeper/tx/extra.py", "contracts_abi/Extra.json"])
def test_row_70_an_added_file_is_noticed(copy: Path, added: str) -> None:
    (copy / added).write_text("{}")
    with pytest.raises(Tampered):
        require_unchanged(digests(SETTINGS), digests(SETTINGS, copy / "keeper"))


def test_row_70_other_settings_are_noticed() -> None:
    with pytest.raises(Tampered, match="settings"):
        require_unchanged(digests(SETTINGS), digests("cd" * 32))


def test_what_was_never_sealed_is_not_looked_at() -> None:
    require_unchanged({}, digests(SETTINGS))
    require_unchanged({"abi": digests(SETTINGS)["abi"]}, digests("cd" * 32))
