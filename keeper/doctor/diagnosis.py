"""One line of the doctor's report, and what earlier checks have learned."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.reads import Reads
from keeper.domain.errors import KeeperError
from keeper.domain.market import MarketSnapshot
from keeper.domain.policy import Policy
from keeper.domain.prices import Opinion
from keeper.settings.schema import Settings

if TYPE_CHECKING:
    from keeper.chain.powers import Powers
    from keeper.doctor.capabilities import NodeCapabilities


class LineStatus(StrEnum):
    """WARNING: it works, but somebody should know. SKIPPED: a check that this one needs has failed."""

    OK = "✓"
    WARNING = "!"
    FAILED = "✗"
    SKIPPED = "–"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line. ``exit_code`` is 0 unless the status is FAILED. ``examine`` fills in the ``name`` of the check.
    ``nodes``: what each node can do, of the check that asks them."""

    status: LineStatus
    detail: str
    remedy: str = ""
    exit_code: int = 0
    name: str = ""
    nodes: tuple[NodeCapabilities, ...] = ()


def ok(detail: str) -> Diagnosis:
    return Diagnosis(LineStatus.OK, detail)


def warning(detail: str, remedy: str) -> Diagnosis:
    return Diagnosis(LineStatus.WARNING, detail, remedy)


def failed(detail: str, error: type[KeeperError], remedy: str) -> Diagnosis:
    """With the exit code of ``error``."""
    return Diagnosis(LineStatus.FAILED, detail, remedy, exit_code=error.exit_code)


class DoctorContext:
    """What earlier checks have learned. Each check sets the attributes that later checks need."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.settings: Settings
        self.policy: Policy
        self.reads: Reads
        self.node: ChainReader
        self.snapshot: MarketSnapshot
        self.opinions: tuple[Opinion, ...]
        self.powers: Powers


DoctorCheck = Callable[[DoctorContext], Diagnosis]
