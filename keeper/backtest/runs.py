"""The strategy and its benchmark strategies on one path, in parallel processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from keeper.backtest.benchmarks import ALLOCATIONS, DECIDES_EVERY, HOLDINGS, held, with_allocation
from keeper.backtest.engine import Progress, backtest
from keeper.backtest.result import BacktestResult
from keeper.backtest.venue import SimulatedVenue
from keeper.domain.path import MarketPath
from keeper.domain.policy import Policy


def strategy_run(
    path: MarketPath, policy: Policy, venue: SimulatedVenue, progress: Progress
) -> BacktestResult:
    """The strategy of the policy, in this process."""
    return backtest(path, policy, venue, name=policy.size.allocation.replace("_", " "), progress=progress)


def benchmark_runs(
    path: MarketPath, policy: Policy, venue: SimulatedVenue, finished: Callable[[str], None]
) -> Iterator[BacktestResult]:
    """Every benchmark strategy in its order, one process per core. ``finished`` receives each name as it ends."""
    others = {
        name: allocation for name, allocation in ALLOCATIONS.items() if allocation != policy.size.allocation
    }
    # A forked process would inherit the locks of this process's threads.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        runs = {
            pool.submit(
                backtest,
                path,
                with_allocation(policy, allocation),
                venue,
                name,
                every=DECIDES_EVERY.get(allocation, 1),
            ): name
            for name, allocation in others.items()
        }
        for run in as_completed(runs):
            finished(runs[run])
        yield from (run.result() for run in runs)
    for holding in HOLDINGS:
        result = held(path, policy, venue, holding=holding)
        if result is not None:
            yield result
