"""What one cycle observes before it concludes anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keeper.domain.evidence import ImpliedReading
from keeper.domain.executed_swaps import LearnedCost
from keeper.domain.fire_drill import FireDrill
from keeper.domain.information import NOTHING_REMEMBERED, InformationMemory
from keeper.domain.market import MarketSnapshot
from keeper.domain.pause_state import DeleverageRequest, PauseState
from keeper.domain.portfolio import Portfolio, portfolio
from keeper.domain.tx import InFlight


@dataclass(frozen=True, slots=True)
class Observation:
    """The snapshot of one block, and what the keeper knows besides. A backtest knows only the snapshot, ``implied`` and
    ``information``, which is what earlier looks remember.

    ``second_opinions`` counts the usable independent sources of each token's price, None where no opinions are kept.
    ``pause_state`` is None where no pauses and no daily usage are kept. ``read_at`` is the keeper's clock (Unix
    seconds) when the block was read, None where it is not compared with the block's time. ``drill`` is None where no
    fire drill is held. ``held`` is the vault's portfolio at the snapshot's prices.
    """

    snapshot: MarketSnapshot
    implied: tuple[ImpliedReading, ...] = ()
    in_flight: InFlight | None = None
    pause_state: PauseState | None = None
    deleverage_request: DeleverageRequest | None = None
    read_at: float | None = None
    learned_costs: tuple[LearnedCost, ...] = ()
    second_opinions: Mapping[str, int] | None = None
    information: InformationMemory = NOTHING_REMEMBERED
    drill: FireDrill | None = None
    held: Portfolio = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "held", portfolio(self.snapshot))
