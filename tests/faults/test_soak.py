"""A daemon that runs for long while its world fails around it: ``make soak CYCLES=10000 SEED=1``."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from keeper.devnet import local_chain as devnet
from keeper.devnet.anvil import AnvilNode
from keeper.devnet.local_chain import LocalChain
from tests.faults.fixtures import Stage
from tests.faults.processes import ForkServer
from tests.faults.soak import Sample, Soak, SoakResult, table
from tests.faults.soak_faults import Stricken
from tests.faults.soak_market import soak_market
from tests.faults.stepping import stepped_keeper
from tests.monitoring.listener import listening
from tests.servers.geth_proxy import geth_proxy

CYCLES = int(os.environ.get("KEEPER_CYCLES", "10"))
SEED = int(os.environ.get("KEEPER_SEED", "1"))
QUIET = 60
SAMPLES_OF_A_SHORT_RUN = 10
MAX_RSS_MB = 130.0
"""Of a daemon with a channel whose plugin alone is loaded: 124.5 MB were measured."""
MAX_GROWTH_MB = 1.0
"""Per thousand cycles, the slope of the second half. Flat means: less than this. test_soak_memory.py shows that 10,000 cycles
tell 1.5 MB from none; so many as LONG find only what grows by several."""
LONG = 2_000
ASSETS = (
    '[{"symbol": "WBTC", "budget": 0.25, "implied_underlying": "BTC"},'
    ' {"symbol": "WETH", "budget": 0.25, "implied_underlying": "ETH"},'
    ' {"symbol": "LINK", "budget": 0.25}, {"symbol": "UNI", "budget": 0.25}]'
)


def progress(sample: Sample, result: SoakResult) -> None:
    """A line, and the newest of what went wrong."""
    if CYCLES > QUIET:
        problems = (*result.unexplained[-2:], *result.untold[-2:])
        so_far = (
            f"{sample.cycle} cycles in {sample.seconds / 60:.1f} minutes, {sample.rss_mb:.1f} MB, {result.sent} sent, "
            f"{len(result.unexplained)} unexplained, {len(result.untold)} untold"
        )
        sys.stderr.write("".join(f"{line}\n" for line in (so_far, *problems)))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[AnvilNode, LocalChain]]:
    """A chain of its own: a long soak leaves too many blocks behind to go back."""
    with devnet.running(devnet.load_history(None, None), lambda _: None) as running:
        yield running


@pytest.fixture
def soak(
    node: tuple[AnvilNode, LocalChain], keepers: ForkServer, price_history: Path, tmp_path: Path
) -> Iterator[Soak]:
    process, world = node
    shutil.copy(price_history, tmp_path / "base.db")
    with geth_proxy(world.deployment.rpc_url) as proxy:
        stage = Stage(world, proxy, keepers, tmp_path, f"sqlite:///{tmp_path / 'base.db'}")
        yield from _soak(stage, process.process.pid, tmp_path)


def _soak(stage: Stage, node_pid: int, tmp_path: Path) -> Iterator[Soak]:
    with (
        stage.trial() as trial,
        listening() as listener,
        soak_market(trial, devnet.load_history(None, None), SEED) as market,
    ):
        (tmp_path / "keeper.env").write_text("", encoding="utf-8")
        environment = trial.environment | {
            "KEEPER_ASSETS": ASSETS,
            "KEEPER_DERIBIT_URL": market.options.url,
            "KEEPER_ALERT_URLS": listener.alert_url,
            "KEEPER_ENV_FILE": str(tmp_path / "keeper.env"),
        }
        if CYCLES > QUIET:  # memory is that of the whole history
            del environment["KEEPER_ESTIMATE__HISTORY_S"]
        with stepped_keeper(environment, tmp_path, market.now) as keeper:
            stricken = Stricken(trial, market, keeper, tmp_path, np.random.default_rng(SEED + 1))
            try:
                yield Soak(
                    stricken,
                    listener,
                    node_pid,
                    SoakResult(SEED),
                    sample_every=100 if CYCLES >= 1_000 else max(1, CYCLES // SAMPLES_OF_A_SHORT_RUN),
                    show=progress,
                )
            finally:
                stricken.end()


def test_every_cycle_is_explained_every_fault_is_told_and_memory_is_flat(
    soak: Soak, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        result = soak.run(CYCLES)
        if CYCLES > QUIET:
            sys.stdout.write(table(result))
    assert result.unexplained == [], "\n".join(result.unexplained[:20])
    assert result.untold == [], "\n".join(result.untold[:20])
    assert result.broken == []
    assert result.max_rss_mb <= MAX_RSS_MB
    if CYCLES >= LONG:
        assert result.growth_mb <= MAX_GROWTH_MB
