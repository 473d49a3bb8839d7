"""What happens to a daemon during a soak: how each fault begins and ends, and what the daemon must say of it."""

from __future__ import annotations

import math
import resource
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from keeper.devnet.local_chain import LocalChain
from tests.faults.fixtures import Trial
from tests.faults.lending_market import RISKY, TERMS, Market
from tests.faults.soak_market import SoakMarket
from tests.faults.stepping import SteppedKeeper
from tests.faults.test_lost_journal import move
from tests.servers.json_rpc import Fault

NODE_ERRORS = frozenset(
    {"NodeUnavailable", "NodeHangs", "NodeUntrusted", "NodeNotReady", "NodeRefused", "RpcError"}
)
JOURNAL_ERRORS = frozenset({"JournalUnwritable", "JournalUnreadable"})
SLOW_S = 0.5
RICH_WEI = 10**21
SPIKE_WEI = 400 * 10**9
BREACH_AT = 1.15
"""Health factor after a cut of the liquidation thresholds: the keeper acts below 1.20."""
HEALTHIEST = 6.0
"""A vault with less debt than this has cannot be brought there by thresholds that mean anything."""
JUMP = 0.03
STALE_H = 4
VOLATILITIES = (0.6, 0.8)
"""Targets that a reload changes between, so that the vault trades."""


@dataclass
class Stricken:
    """The daemon and all that can be done to its world. ``undo`` ends what holds now."""

    trial: Trial
    market: SoakMarket
    keeper: SteppedKeeper
    folder: Path
    generator: np.random.Generator
    undo: list[Callable[[], None]] = field(default_factory=list)
    calm: bool = False
    health_factor: float = math.inf

    @property
    def world(self) -> LocalChain:
        return self.trial.world

    @property
    def lending(self) -> Market:
        return Market(self.world)

    @property
    def journal(self) -> Path:
        return Path(self.trial.journal_url.removeprefix("sqlite:///"))

    @property
    def environment_file(self) -> Path:
        return self.folder / "keeper.env"

    def set(self, **variables: str) -> None:
        lines = (f"KEEPER_{name}={value}\n" for name, value in variables.items())
        self.environment_file.write_text("".join(lines), encoding="utf-8")

    def end(self) -> None:
        while self.undo:
            self.undo.pop()()


@dataclass(frozen=True)
class SoakFault:
    """``weight``: how often it is drawn, relative to the others. ``alerts``: one of these kinds must arrive; none where the
    keeper goes on as if nothing had happened. ``errors``: names that a cycle may fail by meanwhile. ``possible``: whether the
    vault is in a state that the fault can hit. ``answered``: the keeper must send."""

    name: str
    weight: int
    begin: Callable[[Stricken], None]
    alerts: frozenset[str] = frozenset()
    errors: frozenset[str] = frozenset()
    possible: Callable[[Stricken], bool] = lambda at: True
    answered: bool = False


# -------------------------------------------------------------------- the node


def _node(how: str, count: int, method: str = "*", **more: str | int) -> Callable[[Stricken], None]:
    def begin(at: Stricken) -> None:
        added: Fault = at.trial.proxy.fault(method, how, count, **more)

        def end() -> None:
            added.count = 0
            added.released.set()

        at.undo.append(end)

    return begin


def _slow_node(at: Stricken) -> None:
    """Each answer to a call takes some time."""
    added = at.trial.proxy.fault("eth_call", "hold", 1)
    timer = threading.Timer(SLOW_S, added.released.set)
    timer.start()
    at.undo.append(timer.join)


def _reorg(at: Stricken) -> None:
    at.trial.proxy.reorg(int(at.generator.integers(1, 3)))


def _gas_spike(at: Stricken) -> None:
    at.trial.proxy.next_base_fee(SPIKE_WEI)


def _empty_key(at: Stricken) -> None:
    proxy, key = at.trial.proxy, at.trial.keeper
    proxy.rpc("anvil_setBalance", key, "0x0")
    at.undo.append(lambda: proxy.rpc("anvil_setBalance", key, hex(RICH_WEI)))


# ----------------------------------------------------------- prices and the vault


def _options_down(at: Stricken) -> None:
    """Longer than the keeper believes what it said last."""
    at.market.options.fault("drop", "volatility", -1)
    at.market.options.fault("drop", "book_summary", -1)
    at.undo.append(at.market.options.heal)
    at.market.pass_hours(STALE_H)


def _exchange_down(at: Stricken) -> None:
    at.market.options.fault("status", "index_price", -1, status=503)
    at.undo.append(at.market.options.heal)


def _silent_feed(at: Stricken) -> None:
    at.market.silent.add(str(at.generator.choice(RISKY)))
    at.market.pass_hours(2)
    at.undo.append(at.market.silent.clear)


def _price_jump(at: Stricken) -> None:
    factor = 1 - JUMP if at.generator.random() < 0.5 else 1 / (1 - JUMP)
    at.market.jump(factor)
    at.undo.append(lambda: at.market.jump(1 / factor))


def _thresholds_cut(at: Stricken) -> None:
    """The lending market lowers its liquidation thresholds, and takes it back."""

    def set_thresholds(factor: float) -> None:
        with at.trial.automine():
            for symbol in RISKY:
                terms = TERMS[symbol]
                at.lending.collateral(
                    symbol, int(terms.ltv * factor), int(terms.liquidation_threshold * factor)
                )

    set_thresholds(BREACH_AT / at.health_factor)
    at.undo.append(lambda: set_thresholds(1.0))


def _vault_paused(at: Stricken) -> None:
    at.trial.vault_paused(True)
    at.undo.append(lambda: at.trial.vault_paused(False))


def _pause_file(at: Stricken) -> None:
    at.trial.pause_file.touch()
    at.undo.append(at.trial.pause_file.unlink)


# ------------------------------------------------------------------ the machine


def _disk_full(at: Stricken) -> None:
    """No file of the daemon may be written any more."""
    before = resource.prlimit(at.keeper.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(at.keeper.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    at.undo.append(lambda: _write_again(at, before))


def _write_again(at: Stricken, before: tuple[int, int]) -> None:
    resource.prlimit(at.keeper.pid, resource.RLIMIT_FSIZE, before)


def _journal_away(at: Stricken) -> None:
    away = at.folder / "away.db"
    move(at.journal, to=away)
    at.undo.append(lambda: move(away, to=at.journal))


def _new_settings(at: Stricken) -> None:
    """Another target, so that the vault trades."""
    at.calm = not at.calm
    at.set(SIZE__TARGET_VOLATILITY=str(VOLATILITIES[at.calm]))
    at.keeper.hang_up("Reloaded")


def _wrong_settings(at: Stricken) -> None:
    before = at.environment_file.read_text(encoding="utf-8")
    at.set(DECISION__MIN_TRADE_USD="-1")
    at.keeper.hang_up("ReloadRefused")
    at.undo.append(lambda: _set_back(at, before))


def _set_back(at: Stricken, before: str) -> None:
    at.environment_file.write_text(before, encoding="utf-8")


def _kinds(*names: str) -> frozenset[str]:
    return frozenset(names)


FAULTS = (
    SoakFault("node down", 6, _node("drop", -1), _kinds("failing"), NODE_ERRORS),
    SoakFault("node answers 503", 4, _node("status", -1), _kinds("failing"), NODE_ERRORS),
    SoakFault(
        "node error",
        6,
        _node("error", -1, text="internal error", code=-32603),
        _kinds("failing"),
        NODE_ERRORS,
    ),
    SoakFault("node garbage", 4, _node("garbage", -1), _kinds("failing"), NODE_ERRORS),
    SoakFault("node hangs", 1, _node("hold", -1), _kinds("failing"), NODE_ERRORS),
    SoakFault("node errs once", 6, _node("drop", 1)),
    SoakFault("node slow", 6, _slow_node),
    SoakFault("reorganisation", 8, _reorg),
    SoakFault("gas spike", 8, _gas_spike),
    SoakFault("key without gas", 6, _empty_key, _kinds("low_gas")),
    SoakFault("option market down", 6, _options_down, _kinds("suspect_data")),
    SoakFault("exchange down", 6, _exchange_down),
    SoakFault("feed silent", 8, _silent_feed, _kinds("suspect_data")),
    SoakFault("price jump", 2, _price_jump),
    SoakFault(
        "thresholds cut",
        6,
        _thresholds_cut,
        _kinds("breach", "ripcord"),
        possible=lambda at: at.health_factor < HEALTHIEST,
        answered=True,
    ),
    SoakFault("vault paused", 6, _vault_paused, _kinds("paused")),
    SoakFault("pause file", 6, _pause_file, _kinds("paused")),
    SoakFault("disk full", 6, _disk_full, _kinds("unwritable"), JOURNAL_ERRORS),
    SoakFault("journal away", 6, _journal_away, _kinds("unwritable"), JOURNAL_ERRORS),
    SoakFault("new settings", 8, _new_settings, _kinds("reloaded")),
    SoakFault("wrong settings", 4, _wrong_settings, _kinds("reload_refused")),
)
