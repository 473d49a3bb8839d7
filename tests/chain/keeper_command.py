"""The command ``keeper`` against the local chain, in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
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


@pytest.fixture
def keeper(
    chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs ``keeper`` with its settings pointing to ``chain``, in an empty working directory with a copy of keeper.toml."""
    strategy = Path(__file__).parents[2] / "keeper.toml"
    (tmp_path / "keeper.toml").write_text(strategy.read_text())
    market = devnet.load_history(None, None)
    with (
        deribit_server(market, chain.now, chain.spot) as url,
        exchange_server(market, chain.now, chain.spot) as exchanges,
    ):
        replace(chain.deployment, deribit_url=url, exchange_url=exchanges).write(tmp_path / "deployment.json")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("KEEPER_DEPLOYMENT", "deployment.json")
        monkeypatch.setenv("COLUMNS", "240")  # a message stays on one line, however long the paths in it are

        def run(*arguments: str) -> Ended:
            with pytest.raises(SystemExit) as ended:
                main(arguments)
            printed = capsys.readouterr()
            code = ended.value.code
            return Ended(code if isinstance(code, int) else 0, printed.out, printed.err)

        yield run
