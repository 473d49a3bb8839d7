"""How a keeper is killed at each failpoint, and killed again while it recovers. Each scenario must end where its twin
ends, the same run in which no keeper is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from keeper.runtime.failpoints import Failpoint
from tests.faults.fixtures import Trial

F = Failpoint
HIGH_GAS_CAPS = {
    "KEEPER_DECISION__URGENCY__ROUTINE__MAX_GAS_PRICE_GWEI": "400",
    "KEEPER_DECISION__URGENCY__OUT_OF_BAND__MAX_GAS_PRICE_GWEI": "400",
}
"""Gas price caps that leave room for several fee raises."""
SHORT_WAIT = {"KEEPER_SEND__GIVE_UP_AFTER_S": "2", "KEEPER_SEND__BUMP_AFTER_S": "1"}
ONLY_THE_SUPERSEDING = 6
"""Receipt polls before a block is mined: more than a keeper needs to settle and to supersede."""
DELEVERAGE = ("deleverage", "--to-health-factor", "3", "--execute", "--json")
"""One call reaches it within the vault's limits of a day, so a second command has nothing left to do."""
BEYOND_DEADLINE = 60
"""Blocks of 12 s: more than plan.deadline_s."""


@dataclass(frozen=True)
class KillScenario:
    """``play`` kills at least one keeper at ``failpoint``. ``again`` is the failpoint at which the recovering keeper is
    killed too; empty if it is not. Scenarios of one ``kind`` share a twin."""

    failpoint: Failpoint
    kind: str
    play: Callable[[Trial, str], None]
    again: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind} {self.failpoint.value}" + (f", then {self.again}" if self.again else "")


def _plain(point: Failpoint) -> Callable[[Trial, str], None]:
    def play(trial: Trial, again: str) -> None:
        trial.run(failpoint=point)
        _again(trial, again)

    return play


def _slow(point: Failpoint) -> Callable[[Trial, str], None]:
    """Nothing is mined for a while, so the keeper raises the fee."""

    def play(trial: Trial, again: str) -> None:
        trial.proxy.mines_on_poll = None if point is F.UNKNOWN_COMMITTED else 12
        trial.run(failpoint=point, more=SHORT_WAIT if point is F.UNKNOWN_COMMITTED else HIGH_GAS_CAPS)
        trial.proxy.mines_on_poll = 1
        _again(trial, again)

    return play


def _recovering(first: Failpoint, point: Failpoint) -> Callable[[Trial, str], None]:
    """The first keeper is killed at ``first``, and the recovering one at ``point``."""

    def play(trial: Trial, again: str) -> None:
        trial.run(failpoint=first)
        trial.run(failpoint=point)
        _again(trial, again)

    return play


def _final(trial: Trial, again: str) -> None:
    trial.run()
    trial.proxy.mine(3)
    trial.run(failpoint=F.SETTLE_FINAL)
    _again(trial, again)


def _unmined(trial: Trial, again: str) -> None:
    trial.run()
    trial.proxy.keeps_unmined = False
    trial.proxy.reorg(1)
    trial.proxy.mines_on_poll = None
    trial.run(failpoint=F.SETTLE_UNMINED)
    _again(trial, again)


def _cancelled(trial: Trial, again: str) -> None:
    trial.proxy.mines_on_poll = None
    trial.run(failpoint=F.BROADCAST)
    trial.proxy.evict()
    trial.proxy.mine(BEYOND_DEADLINE)
    trial.run(failpoint=F.SETTLE_CANCELLING)
    _again(trial, again)


def _displaced(trial: Trial, again: str) -> None:
    trial.run(failpoint=F.ATTEMPT_COMMITTED)
    trial.stranger_takes_the_nonce()
    trial.proxy.mine(4)
    trial.run(failpoint=F.SETTLE_DISPLACED)
    _again(trial, again)


def _superseded(point: Failpoint) -> Callable[[Trial, str], None]:
    """A rebalance of a levered vault is stuck, and an operator runs `keeper deleverage`."""

    def play(trial: Trial, again: str) -> None:
        trial.lever()
        trial.proxy.mines_on_poll = None
        trial.run(failpoint=F.BROADCAST, more=trial.eager)
        trial.proxy.mines_on_poll = ONLY_THE_SUPERSEDING
        trial.run(*DELEVERAGE, failpoint=point)
        _again(trial, again)
        trial.run(*DELEVERAGE)

    return play


def _again(trial: Trial, again: str) -> None:
    if again:
        trial.run(failpoint=again)


PLAIN = (
    *(F.SETTLE_BEGINS, F.SETTLED, F.READ, F.CONCLUDED, F.SIMULATED, F.INTENT_BEGINS, F.INTENT_COMMITTED),
    *(F.SIGNING_COMMITTED, F.SIGNED, F.ATTEMPT_COMMITTED, F.SEND_BEGINS, F.BROADCAST),
    *(
        F.BROADCAST_COMMITTED,
        F.RECEIPT_SEEN,
        F.MINED_COMMITTED,
        F.READ_BACK,
        F.RECORD_BEGINS,
        F.RECORD_COMMITTED,
    ),
)
SLOW = (F.BUMP_BEGINS, F.BUMP_SIGNED, F.BUMP_COMMITTED, F.BUMP_BROADCAST, F.UNKNOWN_COMMITTED)
RECOVERING = (
    (F.INTENT_COMMITTED, F.SETTLE_EXPIRED),
    (F.SIGNING_COMMITTED, F.SETTLE_RESIGNED),
    (F.SIGNED, F.SETTLE_RESIGNED),
    (F.ATTEMPT_COMMITTED, F.SETTLE_REBROADCAST),
    (F.BROADCAST, F.SETTLE_MINED),
)
DURING_RECOVERY = ("settle_begins", "settle_rebroadcast", "settled", "attempt_committed", "record_begins", "")

KILL_SCENARIOS: tuple[KillScenario, ...] = (
    *(KillScenario(point, "plain", _plain(point)) for point in PLAIN),
    *(KillScenario(point, "plain", _slow(point)) for point in SLOW),
    *(KillScenario(point, "plain", _recovering(first, point)) for first, point in RECOVERING),
    KillScenario(F.SETTLE_FINAL, "plain", _final),
    KillScenario(F.SETTLE_UNMINED, "plain", _unmined),
    KillScenario(F.SETTLE_CANCELLING, "plain", _cancelled),
    KillScenario(F.SETTLE_DISPLACED, "displaced", _displaced),
    KillScenario(F.SUPERSESSION_COMMITTED, "superseded", _superseded(F.SUPERSESSION_COMMITTED)),
    KillScenario(F.ATTEMPT_COMMITTED, "superseded", _superseded(F.ATTEMPT_COMMITTED)),
)


def twin(trial: Trial, kind: str) -> None:
    """The same run without a kill."""
    if kind == "displaced":
        trial.proxy.mines_on_poll = None
        trial.run(more=SHORT_WAIT)
        trial.proxy.evict()
        trial.stranger_takes_the_nonce()
        trial.proxy.mine(4)
    elif kind == "superseded":
        trial.lever()
        trial.proxy.mines_on_poll = None
        trial.run(more=SHORT_WAIT | trial.eager)
        trial.proxy.mines_on_poll = ONLY_THE_SUPERSEDING
        trial.run(*DELEVERAGE)
    else:
        trial.run()


MAX_SCENARIOS = 100_000


def campaign(seed: int) -> Iterator[KillScenario]:
    """Every scenario once, and then all of them repeatedly with a second kill during recovery."""
    yield from KILL_SCENARIOS
    chance = np.random.default_rng(seed)
    for number in range(MAX_SCENARIOS):
        scenario = KILL_SCENARIOS[number % len(KILL_SCENARIOS)]
        yield KillScenario(
            scenario.failpoint, scenario.kind, scenario.play, str(chance.choice(DURING_RECOVERY))
        )


@dataclass
class CampaignResult:
    """The result of a campaign."""

    kills: dict[str, int] = field(default_factory=dict)
    scenarios: int = 0
    total: int = 0
    in_recovery: int = 0
    double: int = 0
    lost: int = 0
    differences: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def fewest_kills(self) -> int:
        """Kills at the failpoint with the fewest."""
        return min(self.kills.get(point.value, 0) for point in Failpoint)
