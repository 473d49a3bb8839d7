"""One line of what was found out, and what has been found out so far."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum

from keeper.chain.chain_reader import ChainReader
from keeper.chain.rpc.client import Reads
from keeper.domain.market import MarketSnapshot
from keeper.domain.policy import Policy
from keeper.domain.prices import Opinion
from keeper.settings.schema import Settings


class Mark(StrEnum):
    """GOOD; WORTH_A_LOOK: it works, and somebody should know; WRONG; NOT_LOOKED_AT: something before it failed."""

    GOOD = "✓"
    WORTH_A_LOOK = "!"
    WRONG = "✗"
    NOT_LOOKED_AT = "–"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One line. ``exit_code`` is 0 unless it is WRONG."""

    name: str
    mark: Mark
    detail: str
    remedy: str = ""
    exit_code: int = 0


class Patient:
    """What has been found out so far; later checks build on it."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack = stack
        self.settings: Settings
        self.policy: Policy
        self.reads: Reads
        self.node: ChainReader
        self.snapshot: MarketSnapshot
        self.opinions: tuple[Opinion, ...]


Check = Callable[[Patient], Diagnosis]
