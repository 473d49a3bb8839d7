"""The strategy, its benchmark strategies and its sensitivities on one path, in parallel processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial

from keeper.backtest.benchmarks import ALLOCATIONS, with_allocation
from keeper.backtest.engine import Progress, backtest
from keeper.backtest.holdings import HOLDINGS, held
from keeper.backtest.result import BacktestResult
from keeper.backtest.sensitivity import changed_assumptions
from keeper.backtest.venue import SimulatedVenue
from keeper.domain.errors import BadInput
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy
from keeper.runtime.worker_process import begin_worker, spawning

Job = Callable[[], BacktestResult]


def strategy_run(
    path: MarketPath, policy: Policy, venue: SimulatedVenue, progress: Progress, *, every_bar: bool
) -> BacktestResult:
    """The strategy of the policy, in this process."""
    name = policy.size.allocation.replace("_", " ")
    return backtest(path, policy, venue, name=name, progress=progress, every_bar=every_bar)


def benchmark_runs(
    path: MarketPath,
    policy: Policy,
    venue: SimulatedVenue,
    finished: Callable[[str], None],
    *,
    every_bar: bool,
) -> Iterator[BacktestResult]:
    """Every benchmark strategy in its order, one process per core. ``finished`` receives each name as it ends."""
    jobs = {
        name: partial(
            backtest,
            path,
            with_allocation(policy, allocation),
            venue,
            name,
            every_bar=every_bar,
        )
        for name, allocation in ALLOCATIONS.items()
        if allocation != policy.size.allocation
    }
    yield from _in_parallel(jobs, finished)
    for holding in HOLDINGS:
        result = held(path, policy, venue, holding=holding)
        if result is not None:
            yield result


@dataclass(frozen=True, slots=True, eq=False)
class Competitor:
    """Another strategy with its own market and name."""

    name: str
    path: MarketPath
    policy: Policy


def yardstick_runs(
    path: MarketPath,
    policy: Policy,
    venue: SimulatedVenue,
    finished: Callable[[str], None],
    *,
    others: Sequence[Competitor],
    alone: bool,
) -> Iterator[BacktestResult]:
    """The ``others``; with ``alone`` before them equal weight of the strategy's assets and each of them alone, to the
    same target under the same bounds. Caps on shares do not apply to one asset."""
    jobs: dict[str, Job] = {}
    if alone:
        equal = with_allocation(policy, "equal_weight")
        jobs["equal weight"] = partial(backtest, path, equal, venue, "equal weight")
        for asset in policy.assets:
            name = f"{asset.symbol} alone"
            jobs[name] = partial(backtest, path, _alone(policy, asset.symbol), venue, name)
    for other in others:
        if other.name in jobs:
            raise BadInput(
                f"two strategies of the backtest are called {other.name}",
                remedy="Rename the strategy's file.",
            )
        jobs[other.name] = partial(backtest, other.path, other.policy, venue, other.name)
    yield from _in_parallel(jobs, finished)


def _alone(policy: Policy, symbol: str) -> Policy:
    only = policy.of((symbol,))
    return replace(
        only,
        assets=tuple(replace(asset, max_share=1.0) for asset in only.assets),
        size=replace(only.size, allocation="risk_parity", groups=()),
    )


def sensitivity_runs(
    path: MarketPath, policy: Policy, venue: SimulatedVenue, finished: Callable[[str], None]
) -> Iterator[BacktestResult]:
    """The strategy under every changed assumption, in its order, named for it."""
    jobs = {
        changed.name: partial(backtest, changed.path, changed.policy, changed.venue, changed.name)
        for changed in changed_assumptions(path, policy, venue)
    }
    yield from _in_parallel(jobs, finished)


def _in_parallel(jobs: Mapping[str, Job], finished: Callable[[str], None]) -> Iterator[BacktestResult]:
    with ProcessPoolExecutor(mp_context=spawning(), initializer=begin_worker) as pool:
        runs = {pool.submit(job): name for name, job in jobs.items()}
        for run in as_completed(runs):
            finished(runs[run])
        yield from (run.result() for run in runs)
