"""Finished candidates on disk, so that a sweep that was stopped, or killed, goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from keeper import __version__
from keeper.backtest.venue import SimulatedVenue
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.sweep.code import code_digest
from keeper.sweep.outcome import DAILY, CandidateOutcome


class Store:
    """A line of JSON for each candidate, with its checksum; a line that was torn by a crash is as if never written."""

    def __init__(self, file: Path) -> None:
        self._file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        self._known = dict(self._read())

    def get(self, key: str) -> CandidateOutcome | None:
        return self._known.get(key)

    def put(self, key: str, outcome: CandidateOutcome) -> None:
        """On disk before it returns."""
        body = json.dumps({"key": key, "outcome": _encoded(outcome)}, separators=(",", ":"))
        with self._file.open("a", encoding="utf-8") as lines:
            # A torn last line must not swallow this one.
            lines.write(f"\n{_checksum(body)} {body}\n")
            lines.flush()
            os.fsync(lines.fileno())
        self._known[key] = outcome

    def _read(self) -> Iterator[tuple[str, CandidateOutcome]]:
        if not self._file.exists():
            return
        for line in self._file.read_text(encoding="utf-8", errors="replace").splitlines():
            checksum, _, body = line.partition(" ")
            if body and checksum == _checksum(body):
                content = json.loads(body)
                yield content["key"], _decoded(content["outcome"])


def key_of(policy: Policy, market: str, venue: SimulatedVenue) -> str:
    """Of everything that the outcome follows from; ``market`` is ``digest_of`` the path."""
    text = f"{policy!r}|{market}|{venue!r}|{__version__}|{code_digest()}"
    return hashlib.sha256(text.encode()).hexdigest()


def digest_of(path: MarketPath) -> str:
    digest = hashlib.sha256(
        repr((path.source, path.symbols, path.stable_symbol, path.bar_seconds, path.decide_after)).encode()
    )
    arrays = [path.times, path.closes, path.lows, path.stable, path.borrow_rate]
    arrays += [path.gas_price_wei, path.native_usd]
    for series in path.implied:
        digest.update(series.underlying.encode())
        arrays += [series.times, series.volatility]
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:16]


def _encoded(outcome: CandidateOutcome) -> dict[str, object]:
    """Python writes floats so that they read back as the same bits."""
    return {
        **{name: getattr(outcome, name).tolist() for name in DAILY},
        "target_volatility": outcome.target_volatility,
    }


def _decoded(content: dict[str, object]) -> CandidateOutcome:
    daily = {name: np.array(content[name], dtype=np.float64) for name in DAILY if name != "days"}
    return CandidateOutcome(
        days=np.array(content["days"], dtype=np.int64),
        **daily,
        target_volatility=float(str(content["target_volatility"])),
    )
