"""What describes a gate: its name and meaning, when it is judged, and which trades it stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from keeper.decision.gate_result import GateResult
from keeper.decision.position import VaultPosition
from keeper.decision.trade_context import TradeContext
from keeper.domain.urgency import Urgency

TRIGGER, LIMIT, LEVERING = "trigger", "limit", "levering"
"""A reason to trade; what stops every trade; what stops only a trade that buys a risk asset or raises leverage."""
EVERY_URGENCY = frozenset(Urgency)
PLANNED = frozenset({Urgency.ROUTINE, Urgency.OUT_OF_BAND})
ROUTINE_ONLY = frozenset({Urgency.ROUTINE})
EMERGENCY_ONLY = frozenset({Urgency.EMERGENCY})


@dataclass(frozen=True, slots=True)
class Condition:
    """When a gate is judged. ``text`` is the column "judged" of docs/exit-codes.md, empty where it always is."""

    text: str
    holds: Callable[[VaultPosition], bool]


ALWAYS = Condition("", lambda _position: True)
WITH_REQUEST = Condition(
    "with a deleverage request", lambda position: position.observation.deleverage_request is not None
)
WITHOUT_REQUEST = Condition(
    "without a deleverage request", lambda position: position.observation.deleverage_request is None
)
WITH_CLOCK = Condition(
    "live; on chain 31337 only if `oracle.max_head_age_s` is set",
    lambda position: position.observation.read_at is not None,
)
WITH_OPINIONS = Condition("live", lambda position: position.observation.second_opinions is not None)
WITH_DRILL = Condition("live", lambda position: position.observation.drill is not None)
WITH_VAULT_FIGURES = Condition("live", lambda position: position.snapshot.vault_figures is not None)
WITH_NATIVE_COIN = Condition(
    "where the native coin's feed was read",
    lambda position: position.snapshot.native_coin is not None,
)
WITH_OTHER_ACCOUNTS = Condition("with several accounts", lambda position: bool(position.snapshot.others))
WITH_ACCOUNTS = Condition(
    "with several accounts, without a deleverage request",
    lambda position: bool(position.snapshot.others) and WITHOUT_REQUEST.holds(position),
)
WITH_PAUSE_STATE = Condition("live", lambda position: position.observation.pause_state is not None)


def enabled(name: str) -> Condition:
    """A person who requests a deleveraging asks for nothing else, so no other reason to trade counts then."""
    return Condition(
        "if named in `decision.triggers`, without a deleverage request",
        lambda position: name in position.policy.decision.triggers and WITHOUT_REQUEST.holds(position),
    )


@dataclass(frozen=True, slots=True)
class TriggerRule:
    """A reason to trade. ``urgency`` is how pressing it is when it fires."""

    name: str
    judge: Callable[[VaultPosition], GateResult]
    urgency: Callable[[VaultPosition, GateResult], Urgency]
    condition: Condition
    meaning: str
    kind: str = TRIGGER
    exit_code: int = 0

    @property
    def judged(self) -> str:
        return self.condition.text or "always"


@dataclass(frozen=True, slots=True)
class LimitRule:
    """A condition on a trade of one of the ``urgencies``. ``kind`` says whether it stops every trade or only one that
    buys risk. ``whole_only``: it is not judged on the selling half of a trade whose buying half waits."""

    name: str
    judge: Callable[[TradeContext], GateResult]
    urgencies: frozenset[Urgency]
    exit_code: int
    meaning: str
    kind: str = LIMIT
    condition: Condition = ALWAYS
    whole_only: bool = False

    def is_judged(self, trade: TradeContext) -> bool:
        return (
            trade.urgency in self.urgencies
            and self.condition.holds(trade.position)
            and not (self.whole_only and trade.move.sells_only)
        )

    @property
    def judged(self) -> str:
        names = (
            "always"
            if self.urgencies == EVERY_URGENCY
            else ", ".join(urgency.value for urgency in Urgency if urgency in self.urgencies)
        )
        part = "a whole trade" if self.whole_only else ""
        return "; ".join(text for text in (names, self.condition.text, part) if text)
