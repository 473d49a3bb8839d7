"""A breach of the health factor, through the real command and the real daemon: how soon it is answered, that a part is
better than nothing, and that where nothing can be done every cycle says so."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from keeper.devnet import feeds
from keeper.devnet.anvil import rpc
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import VaultReading, read_vault
from keeper.runtime import failpoints
from keeper.runtime.failpoints import Failpoint
from tests.chain.keeper_command import Run
from tests.faults.lending_market import EXECUTE, HOUR, RISKY, TERMS, Market, settled, steps

ACTS_BELOW, SAFE = 1.20, 1.45
VAULTS_TARGET = 1.35
"""An emergency call may not end higher."""
NEAR = 0.96


@pytest.fixture
def breached(chain: LocalChain, levered: VaultReading, market: Market) -> VaultReading:
    """The liquidation thresholds are cut until the health factor is below the level at which the keeper acts."""
    factor = NEAR * ACTS_BELOW / levered.health_factor
    for symbol in RISKY:
        terms = TERMS[symbol]
        market.collateral(symbol, int(terms.ltv * factor), int(terms.liquidation_threshold * factor))
    found = read_vault(chain)
    assert 1.0 < found.health_factor < ACTS_BELOW
    return found


# ------------------------------------------------------------------ how soon


def test_from_the_breach_to_signed_bytes_on_disk(
    keeper: Run,
    chain: LocalChain,
    levered: VaultReading,
    monkeypatch: pytest.MonkeyPatch,
    show: Callable[[str], None],
) -> None:
    """After a crash of every price. With ``-s`` it prints when the command came by what, in milliseconds."""
    fall = NEAR * ACTS_BELOW / levered.health_factor
    for symbol in RISKY:
        chain.set_price(symbol, chain.spot(symbol) * fall)
    assert read_vault(chain).health_factor < ACTS_BELOW
    reached: dict[Failpoint, float] = {}
    monkeypatch.setattr(failpoints, "reach", lambda point: reached.setdefault(point, time.perf_counter()))
    started = time.perf_counter()
    ended = settled(keeper(*EXECUTE))
    assert ended.json()["action"] == "RIPCORD"
    assert 0.97 * VAULTS_TARGET < read_vault(chain).health_factor <= VAULTS_TARGET
    way = (
        Failpoint.SETTLED,
        Failpoint.READ,
        Failpoint.CONCLUDED,
        Failpoint.SIMULATED,
        Failpoint.SIGNED,
        Failpoint.ATTEMPT_COMMITTED,
    )
    assert [point for point in reached if point in way] == list(way)
    from_the_look = 1e3 * (reached[Failpoint.ATTEMPT_COMMITTED] - reached[Failpoint.SETTLED])
    told = {point.value: round(1e3 * (reached[point] - started)) for point in way}
    show(
        f"ms since the command: {told}; from the look to the signed attempt on disk {from_the_look:.0f} ms, "
        f"of which computing {ended.json()['compute_ms']:.0f} ms"
    )


# ------------------------------------------------------------------- how far


def test_what_the_vaults_target_leaves_is_lowered_by_the_next_cycle_to_the_safe_level(
    keeper: Run, chain: LocalChain, breached: VaultReading
) -> None:
    assert settled(keeper(*EXECUTE)).json()["action"] == "RIPCORD"
    assert breached.health_factor < read_vault(chain).health_factor <= VAULTS_TARGET
    chain.pass_time(HOUR)
    ended = settled(keeper(*EXECUTE))
    assert (ended.json()["action"], ended.json()["urgency"]) == ("REBALANCE", "OUT_OF_BAND")
    assert "alerts below 1.337" in ended.json()["reason"]
    assert 0.999 * SAFE <= read_vault(chain).health_factor < 1.1 * SAFE


# ----------------------------------------------------- a part is better than none


def test_where_one_asset_cannot_be_withdrawn_the_others_are_sold(
    keeper: Run, chain: LocalChain, breached: VaultReading, market: Market
) -> None:
    market.borrow_everything("WETH")
    told = settled(keeper(*EXECUTE))
    assert told.json()["action"] == "RIPCORD"
    assert ("WITHDRAW", "WETH") not in steps(told)
    assert breached.health_factor < read_vault(chain).health_factor


def test_where_one_asset_finds_no_price_the_others_are_sold(
    keeper: Run, chain: LocalChain, breached: VaultReading
) -> None:
    """Its pools pay a fifth less than its feed says."""
    price = chain.spot("LINK")
    chain.set_price("LINK", 0.8 * price)
    feeds.publish_now(chain.w3, chain.owner, chain.feeds.addresses["LINK"], price)
    told = settled(keeper(*EXECUTE))
    assert {symbol for kind, symbol in steps(told) if kind == "WITHDRAW"} == {"WBTC", "WETH", "UNI"}
    assert breached.health_factor < read_vault(chain).health_factor < SAFE


def test_of_what_the_reserve_cannot_give_whole_a_part_is_sold(
    keeper: Run, chain: LocalChain, breached: VaultReading, market: Market
) -> None:
    wanted = keeper("rebalance", "--simulate", "--json").json()["plan"]["steps"]
    whole = sum(
        int(step["amount"]) for step in wanted if (step["kind"], step["symbol"]) == ("WITHDRAW", "WETH")
    )
    market.borrow_everything("WETH")
    market.bring("WETH", whole // 2)
    told = settled(keeper(*EXECUTE))
    (amount,) = (
        int(step["amount"])
        for step in told.json()["plan"]["steps"]
        if (step["kind"], step["symbol"]) == ("WITHDRAW", "WETH")
    )
    assert whole // 4 <= amount <= whole // 2
    assert breached.health_factor < read_vault(chain).health_factor < SAFE


# --------------------------------------------------- nothing works, and it is said


@contextmanager
def daemon(folder: Path) -> Iterator[Iterator[dict[str, Any]]]:
    """Lines of a live keeper that looks every few seconds; it must end well."""
    with subprocess.Popen(
        [Path(sys.executable).with_name("keeper"), "run", "--live", "--every", "5s"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        yield (json.loads(line) for line in running.stderr if line.startswith("{"))
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0


def next_cycles(lines: Iterator[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    found = []
    for line in lines:
        if line["event"] in ("failed", "held", "declined", "sent", "would_send"):
            found.append(line)
            if len(found) == count:
                return found
    raise AssertionError(f"it ended after {found}")


@pytest.mark.parametrize("trouble", ["lent out", "paused"])
def test_a_breach_in_which_nothing_can_be_done_is_an_error_every_cycle(
    keeper: Run, chain: LocalChain, breached: VaultReading, market: Market, tmp_path: Path, trouble: str
) -> None:
    """Rows 56 and 58: what can be done is done first, then each cycle says loudly that nothing can."""
    for symbol in RISKY:
        market.borrow_everything(symbol) if trouble == "lent out" else market.pause(symbol)
    with daemon(tmp_path) as lines:
        first, *others = next_cycles(lines, 3)
    assert first["event"] == "sent", first
    assert read_vault(chain).debt_usd == pytest.approx(breached.debt_usd - breached.cash_usd, rel=1e-3)
    for line in others:
        assert (line["event"], line["level"], line["error"]) == ("failed", "error", "NothingFeasible")
        assert {"lent out": "not lent out", "paused": "is paused"}[trouble] in line["reason"]
        assert (line["urgency"], line["exit_code"]) == ("EMERGENCY", 5)
        assert line["health_factor"] < ACTS_BELOW
        assert line["remedy"]
    told = keeper("journal", "list", "--json").json()["records"]
    assert [record["outcome"] for record in told[:2]] == ["FAILED", "FAILED"]
    assert keeper(*EXECUTE).code == 5


def dear_gas(chain: LocalChain) -> None:
    """In the next block, mined at once."""
    url = chain.deployment.rpc_url
    rpc(url, "anvil_setNextBlockBaseFeePerGas", hex(200 * 10**9))
    rpc(url, "anvil_mine", "0x1")


def test_a_breach_that_gas_holds_back_is_an_error_every_cycle_too(
    keeper: Run, chain: LocalChain, breached: VaultReading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for urgency in ("ROUTINE", "OUT_OF_BAND", "EMERGENCY"):
        monkeypatch.setenv(f"KEEPER_DECISION__URGENCY__{urgency}__MAX_GAS_PRICE_GWEI", "20")
    dear_gas(chain)
    held = keeper(*EXECUTE)
    assert (held.code, held.json()["outcome"]) == (5, "HELD"), held.out
    assert "base fee" in held.json()["reason"]
    dear_gas(chain)
    with daemon(tmp_path) as lines:
        for line in next_cycles(lines, 2):
            assert (line["event"], line["level"], line["exit_code"]) == ("held", "error", 5)
            assert line["failed_gates"] == ["gas_price"]
    assert read_vault(chain).epoch == breached.epoch
