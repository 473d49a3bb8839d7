"""The command ``keeper`` against the local chain, in this process."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from keeper.cli.main import main
from keeper.devnet import local_chain as devnet
from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.local_chain import LocalChain


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ended]


STRATEGY = Path(__file__).parents[2] / "keeper.toml"
JOURNAL = "keeper.db"
SHORT_HISTORY = {"KEEPER_ESTIMATE__HISTORY_S": str(45 * 86_400)}
"""Of the strategy's 120 days, because a cycle here spends more time on reading them than on the rest."""


@contextmanager
def outside_of(chain: LocalChain, folder: Path) -> Iterator[None]:
    """The exchanges and the option market of ``chain``. ``folder`` gets the files that point a keeper to them."""
    market = devnet.load_history(None, None)
    with (
        deribit_server(market, chain.now, chain.spot) as url,
        exchange_server(market, chain.now, chain.spot) as exchanges,
    ):
        shutil.copy(STRATEGY, folder)
        replace(chain.deployment, deribit_url=url, exchange_url=exchanges).write(folder / "deployment.json")
        yield


def run_once(folder: Path, *arguments: str) -> None:
    """A command that prepares the files of ``folder``, with the settings there and no others: a campaign's numbers are
    variables of the same prefix."""
    with pytest.MonkeyPatch.context() as change:
        for name in [name for name in os.environ if name.startswith("KEEPER_")]:
            change.delenv(name)
        change.chdir(folder)
        change.setenv("KEEPER_DEPLOYMENT", "deployment.json")
        change.setenv("XDG_STATE_HOME", str(folder))
        for name, value in SHORT_HISTORY.items():
            change.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
    assert not ended.value.code, arguments


@pytest.fixture(scope="session")
def price_history(world: LocalChain, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal that has the feeds' history and nothing else. To read it takes longer than the rest of a first cycle."""
    folder = tmp_path_factory.mktemp("history")
    with outside_of(world, folder):
        run_once(folder, "data", "backfill")
    return folder / JOURNAL


@pytest.fixture
def first_journal(price_history: Path) -> Path:
    """What a test's journal begins as."""
    return price_history


@pytest.fixture
def keeper(
    chain: LocalChain,
    first_journal: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Runs ``keeper`` with its settings pointing to ``chain``, in a working directory that has keeper.toml, and a journal
    with the price history. A test of a first start removes that journal."""
    shutil.copy(first_journal, tmp_path / JOURNAL)
    with outside_of(chain, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("KEEPER_DEPLOYMENT", "deployment.json")
        for name, value in SHORT_HISTORY.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("COLUMNS", "240")  # a message stays on one line, however long the paths in it are

        def run(*arguments: str) -> Ended:
            with pytest.raises(SystemExit) as ended:
                main(arguments)
            printed = capsys.readouterr()
            code = ended.value.code
            return Ended(code if isinstance(code, int) else 0, printed.out, printed.err)

        yield run
