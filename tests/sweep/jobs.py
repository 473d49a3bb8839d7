"""Stand-ins for a backtest that a worker process can import: quick, and some that kill their worker."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import numpy as np

from keeper.domain.errors import NoEstimate
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.sweep.outcome import CandidateOutcome
from tests.backtest.paths import a_backtest_policy, a_path
from tests.factories import a_size_policy

DAY = 86_400


def quick(path: MarketPath, policy: Policy) -> CandidateOutcome:
    """Returns whose level is the target volatility's; everything follows from the arguments."""
    days = path.times[path.times % DAY == 0]
    level = policy.size.target_volatility
    noise = np.sin(np.arange(days.size) * (1.0 + level)) * 0.02
    return CandidateOutcome(
        days=days,
        returns=noise + 0.002 * level,
        costs=np.full(days.size, 1e-5),
        squared_error=np.full(days.size, 0.01 * (level - 0.7) ** 2),
        turnover=np.full(days.size, 0.01),
        share_error=np.full(days.size, 0.0004),
        low_health=np.full(days.size, 2.0),
        target_volatility=level,
    )


def refusing(path: MarketPath, policy: Policy) -> CandidateOutcome:
    if policy.size.target_volatility > 0.7:
        raise NoEstimate("too little history", remedy="wait")
    return quick(path, policy)


def deadly_once(folder: str, path: MarketPath, policy: Policy) -> CandidateOutcome:
    """The first worker to come here is killed."""
    try:
        (Path(folder) / "killed").touch(exist_ok=False)
    except FileExistsError:
        return quick(path, policy)
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process does not go on")


def deadly(path: MarketPath, policy: Policy) -> CandidateOutcome:
    """One candidate kills every worker that tries it."""
    if policy.size.target_volatility == 0.7:
        os.kill(os.getpid(), signal.SIGKILL)
    return quick(path, policy)


def waiting(folder: str, path: MarketPath, policy: Policy) -> CandidateOutcome:
    """Says that it runs and in which process; goes on when the file ``go`` is there."""
    (Path(folder) / f"running-{os.getpid()}").touch()
    pause = threading.Event()
    for _ in range(3_000):
        if (Path(folder) / "go").exists():
            return quick(path, policy)
        pause.wait(0.01)
    raise AssertionError("nobody said go")


PATH = a_path(bars=24 * 100)
LEVELS = (0.5, 0.6, 0.7, 0.8)


def at_level(level: float) -> Policy:
    return a_backtest_policy(size=a_size_policy(target_volatility=level))


def some_jobs() -> dict[int, Policy]:
    return {number: at_level(level) for number, level in enumerate(LEVELS)}
