"""A soak: thousands of cycles of one daemon, an hour of the chain's time each, with a fault every few cycles.

A cycle that nothing explains, a fault that is not told, and bytes that are sent twice are counted. Memory and processor time
are sampled on the way.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from keeper.journal.records import StoredRecords
from keeper.journal.store import Journal
from tests.faults.soak_faults import FAULTS, SoakFault, Stricken
from tests.faults.stepping import resident_mb
from tests.monitoring.listener import Listener

TOLD_WITHIN_S = 60.0
LONGEST_CALM = 4
"""Cycles at most between the end of a fault and the next one."""
ORDINARY = frozenset({"NothingFeasible"})
"""A trade that the market does not allow at that moment: a refusal with a reason, and not a fault."""
CYCLE_EVENTS = ("CycleEnded", "CycleLost")


@dataclass(frozen=True)
class Sample:
    """What daemon, node and harness had used after so many cycles: memory in MB, processor time in seconds."""

    cycle: int
    seconds: float
    rss_mb: float
    cpu_s: float
    node_rss_mb: float
    harness_cpu_s: float


@dataclass
class SoakResult:
    """``unexplained`` has a sentence for each state that nothing explains, ``untold`` one for each fault that was not told in
    time. ``told_s`` are the seconds until an alert arrived, by fault. ``calm`` are cycles without a fault, ``uninformed`` those of
    them that missed something."""

    seed: int
    cycles: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    played: Counter[str] = field(default_factory=Counter)
    told_s: dict[str, list[float]] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    stages: dict[str, float] = field(default_factory=dict)
    unexplained: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    sent: int = 0
    alerts: int = 0
    calm: int = 0
    uninformed: int = 0

    @property
    def max_rss_mb(self) -> float:
        return max(sample.rss_mb for sample in self.samples)

    @property
    def growth_mb(self) -> float:
        """Megabytes by which memory grows in a thousand cycles: the slope of the samples' second half."""
        half = self.samples[len(self.samples) // 2 :]
        if len(half) < 3:
            return 0.0
        cycles = np.array([sample.cycle for sample in half], dtype=np.float64)
        memory = np.array([sample.rss_mb for sample in half], dtype=np.float64)
        return float(np.polyfit(cycles, memory, 1)[0]) * 1_000


@dataclass
class Soak:
    """``node_pid`` is Anvil's."""

    at: Stricken
    listener: Listener
    node_pid: int
    result: SoakResult
    sample_every: int
    show: Callable[[Sample, SoakResult], None] = lambda sample, result: None
    _records: list[str] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)

    def run(self, cycles: int) -> SoakResult:
        self._sample()
        while self.result.cycles < cycles:
            for _ in range(int(self.at.generator.integers(1, LONGEST_CALM + 1))):
                self._cycle(None)
            self._strike(self._draw())
        self._cycle(None)
        self._finish()
        return self.result

    # ------------------------------------------------------------------ inside

    def _draw(self) -> SoakFault:
        """Each fault once before the first comes again by its weight."""
        possible = [fault for fault in FAULTS if fault.possible(self.at)]
        fresh = [fault for fault in possible if fault.name not in self.result.played]
        if fresh:
            return fresh[int(self.at.generator.integers(len(fresh)))]
        weights = np.array([fault.weight for fault in possible], dtype=np.float64)
        return possible[int(self.at.generator.choice(len(possible), p=weights / weights.sum()))]

    def _strike(self, fault: SoakFault) -> None:
        self.result.played[fault.name] += 1
        known = len(self.listener.messages)
        self.at.market.pass_hours()
        began = time.monotonic()
        fault.begin(self.at)
        self._cycle(fault, passes=False)
        if fault.alerts:
            self._require_told(fault, known, began)
        self.at.end()

    def _require_told(self, fault: SoakFault, known: int, began: float) -> None:
        def told() -> list[float]:
            return [
                message["came_at"] - began
                for message in self.listener.messages[known:]
                if _kind(message) in fault.alerts and message["came_at"] >= began
            ]

        with self.listener.came:
            arrived = self.listener.came.wait_for(told, timeout=TOLD_WITHIN_S - (time.monotonic() - began))
        if arrived:
            self.result.told_s.setdefault(fault.name, []).append(min(told()))
        else:
            heard = [message["title"] for message in self.listener.messages[known:]]
            self.result.untold.append(f"cycle {self.result.cycles}, {fault.name}: not told; heard {heard}")

    def _cycle(self, fault: SoakFault | None, *, passes: bool = True) -> None:
        if passes:
            self.at.market.pass_hours()
        heard = self.at.keeper.step(self.at.market.now)
        self.result.cycles += 1
        ends = [line for line in heard if line["event"] in CYCLE_EVENTS]
        for line in ends:
            self._judge(line, fault)
        if fault is not None and fault.answered and not any(line.get("outcome") == "SENT" for line in ends):
            said = ends[-1].get("summary", "")
            self.result.unexplained.append(f"cycle {self.result.cycles}, {fault.name}: not answered: {said}")
        if fault is None:
            self.result.calm += 1
            self.result.uninformed += bool(ends[-1].get("missing"))
        if not any(not line["excused"] for line in ends):
            self.result.unexplained.append(
                f"cycle {self.result.cycles}: asked for, and nothing was said of it"
            )
        if self.result.cycles % self.sample_every == 0:
            self._sample()

    def _judge(self, line: dict[str, Any], fault: SoakFault | None) -> None:
        """A cycle that fails must fail by the fault that holds; every other one has its record and a reason."""
        during = fault.name if fault is not None else "no fault"
        allowed = ORDINARY | (fault.errors if fault is not None else frozenset())
        where = f"cycle {self.result.cycles}, {during}"
        self.result.outcomes[line.get("outcome", "LOST")] += 1
        for stage, seconds in line.get("stages", {}).items():
            self.result.stages[stage] = self.result.stages.get(stage, 0.0) + seconds
        if line["event"] == "CycleEnded":
            self._records.append(line["record_id"])
            self.result.sent += line["outcome"] == "SENT"
            self.at.health_factor = line["health_factor"] or self.at.health_factor
            if not line["summary"]:
                self.result.unexplained.append(f"{where}: a record without a reason")
        error = line.get("error") or line.get("trouble")
        if error and error not in allowed and not line["excused"]:
            self.result.unexplained.append(f"{where}: {error} {line.get('message', '')}")

    def _sample(self) -> None:
        keeper = self.at.keeper
        sample = Sample(
            cycle=self.result.cycles,
            seconds=time.monotonic() - self._began,
            rss_mb=keeper.rss_mb,
            cpu_s=keeper.cpu_s,
            node_rss_mb=resident_mb(self.node_pid),
            harness_cpu_s=time.process_time(),
        )
        self.result.samples.append(sample)
        self.show(sample, self.result)

    def _finish(self) -> None:
        """Every record that the daemon spoke of is in the journal, and nothing was sent twice."""
        self._sample()
        trial = self.at.trial
        with Journal.open_for_reading(trial.journal_url) as journal:
            kept = set(StoredRecords(journal).newest_ids(2 * len(self._records) + 1_000))
        lost = [record for record in self._records if record not in kept]
        self.result.unexplained += [f"record {record} is not in the journal" for record in lost]
        self.result.unexplained += [f"log: {line}" for line in self.at.keeper.defects]
        self.result.alerts = len(self.listener.messages)
        self.result.broken += trial.check()


def _kind(message: dict[str, Any]) -> str:
    """Of an alert that begins. The end of a state has none."""
    words = str(message["title"]).split()
    return "" if "over:" in words else words[2].rstrip(":")


def table(result: SoakResult) -> str:
    """What a soak has measured."""
    first, last = result.samples[0], result.samples[-1]
    cycles = max(last.cycle - first.cycle, 1)
    told = sorted(seconds for some in result.told_s.values() for seconds in some) or [0.0]
    daemon_s, harness_s = (
        (last.cpu_s - first.cpu_s) / cycles,
        (last.harness_cpu_s - first.harness_cpu_s) / cycles,
    )
    strikes = f"{sum(result.played.values())} faults of {len(result.played)} kinds"
    figures = {
        "cycles by outcome": ", ".join(f"{name} {count}" for name, count in result.outcomes.most_common()),
        "cycles without a fault": f"{result.calm}, {result.uninformed} of them missed something",
        "unexplained states": f"{len(result.unexplained)}",
        "double sends, lost rows": f"{len(result.broken)} of {result.sent} sends",
        "faults not told": f"{len(result.untold)} of {sum(map(len, result.told_s.values())) + len(result.untold)}",
        "told within": f"median {told[len(told) // 2]:.2f} s, longest {told[-1]:.2f} s; {result.alerts} alerts",
        "memory": f"{result.max_rss_mb:.1f} MB at most, {result.growth_mb:+.2f} MB per 1,000 cycles",
        "processor per cycle": f"daemon {daemon_s:.3f} s, harness {harness_s:.3f} s",
        "mean time by stage": ", ".join(
            f"{name} {1e3 * s / cycles:.0f} ms" for name, s in result.stages.items()
        ),
    }
    lines = [
        f"\n{result.cycles} cycles, seed {result.seed}, {strikes}, {last.seconds / 60:.1f} minutes",
        *(f"  {name:<26}{value}" for name, value in figures.items()),
        f"\n  {'fault':<22}{'played':>8}{'told, longest':>16}",
    ]
    for name, count in sorted(result.played.items()):
        longest = f"{max(result.told_s[name]):.2f} s" if name in result.told_s else "–"
        lines.append(f"  {name:<22}{count:>8}{longest:>16}")
    lines.append(f"\n  {'cycle':>8}{'minutes':>10}{'memory MB':>12}{'processor s':>14}{'node MB':>10}")
    for one in result.samples[:: max(1, len(result.samples) // 20)]:
        spent = f"{one.seconds / 60:>10.1f}{one.rss_mb:>12.1f}{one.cpu_s:>14.1f}{one.node_rss_mb:>10.0f}"
        lines.append(f"  {one.cycle:>8}{spent}")
    return "\n".join(lines) + "\n"
