"""Single-field mutations of every answer of a whole cycle with --execute, in the only node and in one of three.

The keeper runs in this process, with its own journal and real sockets. Its clock only counts, so no wait takes time. After
each cycle the chain and the journal are put back.
"""

from __future__ import annotations

import io
import os
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import ClassVar, Self
from unittest import mock

import numpy as np
import tenacity.nap
from rich.console import Console
from sqlalchemy import func, select

from keeper.app import assembly, composition, sending
from keeper.app.clocks import SystemClock
from keeper.cli.render import page
from keeper.domain.errors import KeeperError
from keeper.domain.record import CycleOutcome, DecisionRecord, Mode
from keeper.domain.tx import UNFINISHED, IntentStatus
from keeper.journal import schema
from keeper.journal.attempts import StoredAttempts
from keeper.journal.store import Journal
from keeper.journal.switches import Switches
from keeper.settings.load import load
from keeper.settings.schema import Settings
from keeper.tx.nonce_watermark import SETTLED_S
from keeper.views.record import ERROR, RECORD
from tests.faults.fixtures import Stage, Trial
from tests.servers.mutating_node import MutatingNode, Mutation
from tests.servers.mutations import VARIANTS, Place, kinds_at, name_path, places

NODE_ERRORS = ("NodeUnavailable", "NodeNotReady", "NodeRefused", "NodeUntrusted", "RpcError")
REST_CYCLES = 4
RECORDS_LOOKED_AT = 4


@dataclass(frozen=True)
class CycleEnd:
    """How one cycle ended. ``crash`` is a traceback. ``message`` and ``error`` are empty if it had no error."""

    sent: bool
    error: str
    message: str
    notes: tuple[str, ...]
    crash: str = ""


@dataclass
class FuzzResult:
    """``broken`` has a sentence for each mutation that was not survived."""

    mutations: int = 0
    applied: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def __iadd__(self, other: FuzzResult) -> Self:
        self.mutations += other.mutations
        self.applied += other.applied
        self.ends += other.ends
        self.broken += other.broken
        return self


class CountingClock(SystemClock):
    """Time passes at once."""

    _start_s: ClassVar[float] = 0.0

    def __init__(self) -> None:
        super().__init__()
        self._waited = self._start_s

    @classmethod
    @contextmanager
    def started_later(cls, seconds: float) -> Iterator[None]:
        """Every clock that is made meanwhile is so much ahead."""
        with mock.patch.object(cls, "_start_s", seconds):
            yield

    def now(self) -> float:
        return super().now() + self._waited

    def monotonic(self) -> float:
        return super().monotonic() + self._waited

    def wait(self, seconds: float) -> None:
        self._waited += seconds


@contextmanager
def hurried() -> Iterator[None]:
    """No wait of the keeper takes time."""
    with (
        mock.patch.object(assembly, "SystemClock", CountingClock),
        mock.patch.object(composition, "SystemClock", CountingClock),
        mock.patch.object(sending, "SystemClock", CountingClock),
        mock.patch.object(tenacity.nap, "time", SimpleNamespace(sleep=lambda _: None)),
    ):
        yield


@cache
def settings_of(environment: frozenset[tuple[str, str]]) -> Settings:
    """Read once, because every trial has the same."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEEPER_")}
    with mock.patch.dict(os.environ, {**kept, **dict(environment)}, clear=True):
        return load()


def cycle(settings: Settings) -> CycleEnd:
    """One cycle with --execute, and what the command prints about it."""
    try:
        with composition.build(settings, Mode.EXECUTE, ask_password=_no_password) as keeper:
            record = keeper.cycle(Mode.EXECUTE)
        return _end(record)
    except KeeperError as error:
        ERROR.json(error)
        return CycleEnd(sent=False, error=error.name, message=error.message, notes=())
    except Exception:  # noqa: BLE001 -- whatever it is, it is what the fuzzer looks for
        return CycleEnd(sent=False, error="", message="", notes=(), crash=traceback.format_exc()[-1_500:])


def _end(record: DecisionRecord) -> CycleEnd:
    """Also shows a record that differs from the honest one, because the screen must survive what the cycle survived."""
    sent = record.outcome is CycleOutcome.SENT
    if not sent:
        RECORD.json(record)
        Console(file=io.StringIO(), width=120).print(page(record, verbose=True))
    failure = record.failure
    return CycleEnd(
        sent=sent,
        error=failure.name if failure is not None else "",
        message=failure.message if failure is not None else "",
        notes=tuple(node.note for node in record.nodes),
    )


def resume(trial: Trial) -> None:
    """As `keeper resume`, if the keeper is paused."""
    if trial.pauses():
        with Journal.open_to_append(trial.journal_url) as journal:
            Switches(journal, time.time).resume("the node is honest again")


def _no_password() -> str:
    raise AssertionError("the password was asked for")


class NodeFuzzer:
    """``nodes``: those that the keeper asks; the first one is mutated."""

    def __init__(self, stage: Stage, nodes: list[MutatingNode]) -> None:
        self._stage = stage
        self._nodes = nodes
        self._records = 0
        self._entries, self._honest, self._calldata = self._honest_cycle()

    def run(self, count: int, seed: int) -> FuzzResult:
        """``count`` mutations, the same ones for the same seed."""
        result = FuzzResult()
        for mutation in self._mutations(count, np.random.default_rng(seed)):
            self.play(mutation, result)
        return result

    def play(self, mutation: Mutation, result: FuzzResult) -> None:
        """In every second trial the journal knows the key already."""
        with self._stage.trial() as trial:
            entries = self._entries + (self._know_key(trial) if result.mutations % 2 else 0)
            self._nodes[0].reset(mutation)
            for node in self._nodes[1:]:
                node.reset(None)
            end = cycle(self._settings(trial))
            applied = self._nodes[0].applied
            problems = [*self._problems(end, mutation), *self._on_chain(trial, end, entries)]
            result.mutations += 1
            result.applied += applied
            result.ends["sent" if end.sent else end.error or "held"] += 1
            result.broken += [f"{mutation}: {problem}" for problem in problems]

    def lasting_harm(self, trial: Trial) -> Iterator[str]:
        """Nothing, if cycles with honest nodes finish what was begun, or send what was not sent. A person resumes the
        keeper before each."""
        self._nodes[0].reset(None)
        later = None
        for _ in range(REST_CYCLES):
            if trial.vault().epoch and not set(trial.statuses()) & {*UNFINISHED} - {IntentStatus.MINED}:
                return
            resume(trial)
            trial.proxy.mine()
            with CountingClock.started_later(SETTLED_S):
                later = cycle(self._settings(trial))
            if later.crash:
                yield f"a traceback in a later cycle: {later.crash}"
                return
            if later.sent:
                return
        yield f"no later cycle can send: {later}, {trial.statuses()}, {trial.pauses()}"

    # ------------------------------------------------------------------ inside

    def _settings(self, trial: Trial) -> Settings:
        urls = ",".join(node.url for node in self._nodes)
        return settings_of(frozenset({**trial.environment, "KEEPER_RPC_URL": urls}.items()))

    def _know_key(self, trial: Trial) -> int:
        """Takes the chain's count into the journal, as a first send does. Returns how many entries that takes."""
        nonce = int(trial.proxy.rpc("eth_getTransactionCount", trial.keeper, "latest"), 16)
        with Journal.open_to_append(trial.journal_url) as journal:
            log = StoredAttempts(journal, time.time)
            log.adopt_nonce(trial.world.deployment.chain_id, trial.keeper, nonce)
        return 1

    def _honest_cycle(self) -> tuple[int, list[tuple[str, object]], str]:
        """How many entries every journal begins with, the answers of the first node, and the call that was sent."""
        with self._stage.trial() as trial:
            with Journal.open_for_reading(trial.journal_url) as journal:
                ((entries,),) = journal.rows(select(func.max(schema.entries.c.number)))
            for node in self._nodes:
                node.reset(None)
            end = cycle(self._settings(trial))
            assert end.sent, end
            (sent,) = {one.data for one in trial.proxy.arrived}
            return entries, list(self._nodes[0].answered), sent

    def _mutations(self, count: int, generator: np.random.Generator) -> Iterator[Mutation]:
        """Every method is as likely as any other, then every occurrence, then every field by its names, then every
        place of that field."""
        occurrences: dict[str, list[dict[Place, list[Place]]]] = {}
        for method, answer in self._honest:
            fields: dict[Place, list[Place]] = {}
            for place in places(answer):
                fields.setdefault(name_path(place), []).append(place)
            occurrences.setdefault(method, []).append(fields)
        methods = sorted(occurrences)
        for _ in range(count):
            method = methods[generator.integers(len(methods))]
            occurrence = int(generator.integers(len(occurrences[method])))
            named = list(occurrences[method][occurrence].values())
            alike = named[generator.integers(len(named))]
            place = alike[generator.integers(len(alike))]
            kinds = kinds_at(place)
            yield Mutation(
                method=method,
                occurrence=occurrence,
                place=place,
                kind=kinds[generator.integers(len(kinds))],
                variant=int(generator.integers(VARIANTS)),
            )

    def _problems(self, end: CycleEnd, mutation: Mutation) -> Iterator[str]:
        if end.crash:
            yield f"a traceback: {end.crash}"
        if end.error in NODE_ERRORS and not (mutation.method in end.message and "127.0.0.1" in end.message):
            yield f"the message names not method and node: {end.message}"
        if len(self._nodes) > 1 and not end.sent:
            yield f"one odd node of {len(self._nodes)} stopped the cycle: {end.error} {end.message}"
        if len(self._nodes) > 1 and any(end.notes[1:]):
            yield f"an honest node was left out: {end.notes}"

    def _on_chain(self, trial: Trial, end: CycleEnd, entries: int) -> Iterator[str]:
        """The honest call or none, under one nonce. What was left behind does not stop honest nodes afterwards."""
        calls = {one.data for one in trial.proxy.arrived if one.data != "0x"}
        if not calls <= {self._calldata}:
            yield "another call than that of an honest node was sent"
        if len({one.nonce for one in trial.proxy.arrived}) > 1:
            yield "two nonces were used"
        if not end.sent and self._may_last(trial, entries):
            yield from self.lasting_harm(trial)
        vault = trial.vault()
        if vault.epoch > 1 or vault.rebalanced > 1:
            yield f"the vault was rebalanced {vault.rebalanced} times"
        yield from trial.check(whole_journal=False)

    def _may_last(self, trial: Trial, entries: int) -> bool:
        """A cycle leaves only its journal behind. Where that has nothing new but a record, one of ``RECORDS_LOOKED_AT``
        is looked at."""
        with Journal.open_for_reading(trial.journal_url) as journal:
            table = schema.entries
            kinds = {row[0] for row in journal.rows(select(table.c.kind).where(table.c.number > entries))}
        if kinds <= {"record"}:
            self._records += bool(kinds)
            return bool(kinds) and self._records % RECORDS_LOOKED_AT == 0
        return True
