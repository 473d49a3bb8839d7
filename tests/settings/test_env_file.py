"""One file with all paths, for the service and for a shell in any directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.domain.errors import InvalidSetting
from keeper.settings import load as loading
from keeper.settings.load import env_file, layers, load, origins

URL = "KEEPER_JOURNAL_URL=sqlite:////var/lib/keeper/keeper.db\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without files, and no file of a service."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("KEEPER_ENV_FILE", raising=False)
    monkeypatch.setattr(loading, "SYSTEM_ENV_FILE", tmp_path / "keeper.env")
    return folder


def test_the_named_file_counts_in_any_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.env"
    file.write_text(URL)
    Path(".env").write_text("KEEPER_JOURNAL_URL=sqlite:///other.db\n")
    monkeypatch.setenv("KEEPER_ENV_FILE", str(file))
    assert load().journal_url == "sqlite:////var/lib/keeper/keeper.db"
    assert origins(layers())["journal_url"] == str(file)


def test_without_an_own_file_that_of_the_service_counts(tmp_path: Path) -> None:
    (tmp_path / "keeper.env").write_text(URL)
    assert load().journal_url == "sqlite:////var/lib/keeper/keeper.db"
    Path(".env").write_text("KEEPER_CHAIN_ID=1\n")
    assert env_file() == Path(".env")
    assert load().journal_url == "sqlite:///keeper.db"


def test_a_named_file_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_ENV_FILE", "nowhere.env")
    with pytest.raises(InvalidSetting, match=r"KEEPER_ENV_FILE = nowhere\.env: there is no such file"):
        load()


@pytest.mark.parametrize(
    "line",
    ["KEEPER_JOURNAL_URL=sqlite:///keeper.db", "KEEPER_PAUSE_FILE=keeper.pause", "KEEPER_CONFIG=keeper.toml"],
)
def test_a_relative_path_in_it_is_refused_by_name(line: str, tmp_path: Path) -> None:
    (tmp_path / "keeper.env").write_text(f"{line}\n")
    with pytest.raises(InvalidSetting, match=line.partition("=")[0]):
        load()
