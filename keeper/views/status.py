"""``keeper status``: the vault now, its nodes, what is in flight, and the last record."""

from __future__ import annotations

from dataclasses import dataclass

from keeper.domain.leadership import Leadership
from keeper.domain.market import MarketSnapshot
from keeper.domain.pause_state import PauseState
from keeper.domain.policy import DailyPolicy
from keeper.domain.record import DecisionRecord, NodeUse
from keeper.domain.tx import InFlight
from keeper.views import formats as unit
from keeper.views.drill import DRILL
from keeper.views.information import INFORMATION
from keeper.views.record import RECORD, SUMMARY
from keeper.views.vault import HOLDING, NODE, PAUSE_STATE, VAULT, PauseReport, holding_rows
from keeper.views.view import Field, View, lifted, nested, nested_list


@dataclass(frozen=True, slots=True)
class VaultStatus:
    """``last`` is the newest record of the journal; ``in_flight`` are the intents that it has not seen end. Without a
    journal pauses, budgets, ``last`` and ``in_flight`` are not known."""

    snapshot: MarketSnapshot
    last: DecisionRecord | None
    pause_state: PauseState
    daily: DailyPolicy
    in_flight: tuple[InFlight, ...]
    nodes: tuple[NodeUse, ...]
    quorum: int
    journal: str
    journal_exists: bool
    running: str
    leadership: Leadership | None

    @property
    def leader(self) -> str | None:
        """None where no keeper of the journal has run with --standby."""
        led = self.leadership is not None and self.leadership.term is not None
        return str(self.leadership) if led else None

    @property
    def pause_report(self) -> PauseReport:
        return PauseReport(self.pause_state, self.daily, self.snapshot.vault.paused)


IN_FLIGHT = View[InFlight](
    "in_flight",
    intent_id=Field(unit.TEXT, "Id of the intent in the journal."),
    status=Field(unit.TEXT, "State of the intent (sending.md)."),
    epoch=Field(unit.INTEGER, "Epoch of the vault at the decision."),
    since=Field(unit.TIME, "When it was decided."),
)
RECORD_SUMMARY = View[DecisionRecord]("record summary", **{name: RECORD.fields[name] for name in SUMMARY})
STATUS = View[VaultStatus](
    "status",
    **lifted(VAULT, "snapshot"),
    assets=Field(nested_list(HOLDING), "Every risk asset.", lambda it: holding_rows(it.snapshot)),
    nodes=Field(nested_list(NODE), "What was asked of each node."),
    quorum=Field(unit.COUNT, "How many nodes must agree."),
    journal=Field(unit.TEXT, "Where the journal is."),
    journal_exists=Field(
        unit.FLAG, "Whether it is there; if not, pauses, budgets and records are not known (exit code 2)."
    ),
    running=Field(unit.TEXT, "The keeper that runs on this machine with this journal, or with another one."),
    leader=Field(
        unit.TEXT,
        "Who leads and who stands by; null where no keeper has run with --standby.",
    ),
    pause_state=Field(nested(PAUSE_STATE), "Pauses and daily budgets.", "pause_report"),
    drill=Field(nested(DRILL), "The fire drill of the last cycle.", "last.inputs.drill"),
    information=Field(nested(INFORMATION), "What the last cycle knew.", "last.information"),
    in_flight=Field(nested_list(IN_FLIGHT), "Transactions without a final outcome."),
    last_record=Field(nested(RECORD_SUMMARY), "The newest record of the journal.", "last"),
)
