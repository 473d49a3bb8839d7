"""Every kind of alert, by name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """INFO: nothing to do. WARNING: look at it today. CRITICAL: act now; never held back by the rate limit."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class AlertKind:
    """``lasts``: it is a state with an end, which is told too; else it is an event. docs/monitoring.md has the same
    meaning."""

    name: str
    severity: Severity
    meaning: str
    lasts: bool = False


STARTED = AlertKind("started", Severity.INFO, "the daemon started")
STOPPED = AlertKind("stopped", Severity.WARNING, "the daemon ended")
RELOADED = AlertKind("reloaded", Severity.INFO, "new settings are in force; with what changed")
RELOAD_REFUSED = AlertKind(
    "reload_refused", Severity.WARNING, "new settings were refused, and the old ones stay in force"
)
REBALANCED = AlertKind("rebalanced", Severity.INFO, "a rebalance was mined; with a table of the weights")
RIPCORD = AlertKind("ripcord", Severity.CRITICAL, "a deleveraging was sent, or would have been in a dry run")
BREACH = AlertKind(
    "breach",
    Severity.CRITICAL,
    "the health factor is below the alert level, or an emergency could not be answered",
    lasts=True,
)
STUCK = AlertKind(
    "stuck",
    Severity.CRITICAL,
    "a transaction has no final outcome for longer than 10 minutes, or its outcome is not known",
    lasts=True,
)
PAUSED = AlertKind("paused", Severity.WARNING, "the keeper or the vault is paused", lasts=True)
SUSPECT_DATA = AlertKind(
    "suspect_data", Severity.WARNING, "a price is not FRESH, or something is missing", lasts=True
)
LOW_GAS = AlertKind("low_gas", Severity.WARNING, "the key's balance fails the gate gas_balance", lasts=True)
SMALLER_FALL = AlertKind(
    "smaller_fall",
    Severity.WARNING,
    "the fall that the fire drill survives is smaller by 5 points or more than at its highest since it was last told",
)
FAILING = AlertKind("failing", Severity.WARNING, "cycles end with an error", lasts=True)
UNWRITABLE = AlertKind(
    "unwritable",
    Severity.CRITICAL,
    "the journal or the fallback journal cannot be used: only emergencies are sent, or nothing",
    lasts=True,
)
CHAT_LOST = AlertKind(
    "chat_lost",
    Severity.WARNING,
    "the chat hears nobody for longer than 5 minutes: a `pause` there does nothing",
    lasts=True,
)
LEADS = AlertKind("leads", Severity.WARNING, "this keeper leads now, and one on another machine did before")
LEAD_LOST = AlertKind("lead_lost", Severity.WARNING, "this keeper leads no more, and stands by")
NOT_ELIGIBLE = AlertKind(
    "not_eligible",
    Severity.WARNING,
    "a standby could not take over now, for example without a node",
    lasts=True,
)
POST_TRADE = AlertKind("post_trade", Severity.WARNING, "a check after a mined transaction failed")
SUMMARY = AlertKind("summary", Severity.INFO, "once a day: what the vault is and what the day did")

ALERT_KINDS = (
    STARTED,
    STOPPED,
    RELOADED,
    RELOAD_REFUSED,
    REBALANCED,
    RIPCORD,
    BREACH,
    STUCK,
    PAUSED,
    SUSPECT_DATA,
    LOW_GAS,
    SMALLER_FALL,
    FAILING,
    UNWRITABLE,
    CHAT_LOST,
    LEADS,
    LEAD_LOST,
    NOT_ELIGIBLE,
    POST_TRADE,
    SUMMARY,
)


@dataclass(frozen=True, slots=True)
class Alert:
    """One message. ``subject`` is what the kind is about, such as an asset or a cause; ``over``: the state ended."""

    kind: AlertKind
    subject: str
    title: str
    body: str
    over: bool = False

    @property
    def key(self) -> str:
        """Two alerts with the same key are the same news."""
        return f"{self.kind.name}:{self.subject}"
