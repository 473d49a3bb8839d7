"""A keeper that dies while it serves the line: each batch is closed once and settled once."""

from __future__ import annotations

import pytest

from keeper.devnet.depositor import HOUR, Depositor, line
from keeper.runtime.failpoints import Failpoint
from tests.faults.fixtures import Trial

SERVE = ("vault", "serve", "--execute")
USDC = 10**6
POINTS = (
    Failpoint.INTENT_COMMITTED,
    Failpoint.SIGNING_COMMITTED,
    Failpoint.ATTEMPT_COMMITTED,
    Failpoint.BROADCAST,
    Failpoint.BROADCAST_COMMITTED,
    Failpoint.MINED_COMMITTED,
)


def pass_time(trial: Trial, seconds: int) -> None:
    with trial.automine():
        trial.world.pass_time(seconds)


def serve_until_nobody_waits(trial: Trial) -> None:
    """And until the journal has every transaction as mined."""
    for _ in range(8):
        trial.proxy.mine(3)
        ended = trial.run(*SERVE)
        assert ended.exit_code in (0, 5), ended.out + ended.err
        if line(trial.world) == (0, 0, 0, 0) and not trial.unfinished():
            return
    raise AssertionError(f"did not come to rest: {ended.out}{ended.err}")


def batches(trial: Trial, start: int) -> tuple[int, int]:
    """How many were closed and how many settled."""
    events = trial.world.shares.events
    return (
        len(events.BatchesClosed().get_logs(from_block=start)),
        len(events.DepositsSettled().get_logs(from_block=start)),
    )


@pytest.mark.parametrize("point", POINTS)
def test_a_service_that_is_killed_closes_and_settles_a_batch_once(trial: Trial, point: Failpoint) -> None:
    stranger = Depositor(trial.world, trial.world.deployment.accounts["stranger"])
    pass_time(trial, 2 * HOUR)
    with trial.automine():
        stranger.ask_to_deposit(10_000 * USDC)
    start = trial.world.w3.eth.block_number
    trial.proxy.mines_on_poll = 1
    assert trial.run(*SERVE, failpoint=point).killed
    trial.proxy.mine(3)
    trial.run(*SERVE, failpoint=point)
    serve_until_nobody_waits(trial)
    assert batches(trial, start) == (1, 1)
    with trial.automine():
        assert stranger.claim_shares() > 0
