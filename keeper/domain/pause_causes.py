"""What can pause the keeper."""

from __future__ import annotations

from dataclasses import dataclass

OPERATOR = "operator"
FOREIGN_TRANSACTION = "foreign_transaction"
NONCE_TAKEN_BACK = "nonce_taken_back"
FINALITY_BROKEN = "finality_broken"
DAY_LOSS = "day_loss"
DAY_FAILURES = "day_failures"
JOURNAL_UNWRITABLE = "journal_unwritable"


@dataclass(frozen=True, slots=True)
class PauseCause:
    """``meaning`` says what happened, ``remedy`` what the operator does. docs/exit-codes.md has the same text."""

    name: str
    meaning: str
    remedy: str


PAUSE_CAUSES = (
    PauseCause(
        OPERATOR,
        "Somebody ran `keeper pause` or asked for it in the chat, or the pause file exists.",
        "Read the reason. Ask the person before you resume.",
    ),
    PauseCause(
        FOREIGN_TRANSACTION,
        "The key has transactions, mined or waiting, that the journal does not know. Or, where the key acts as a Safe, "
        "the vault's epoch is above what the journal's calls explain.",
        "Find out who else has the key, and whether the journal is an old copy. In doubt treat the key as "
        "stolen (docs/stolen-key.md).",
    ),
    PauseCause(
        NONCE_TAKEN_BACK,
        "A node counts fewer transactions of the key than were counted before. The journal had taken the higher number "
        "over and takes it back.",
        "Compare the node with another one: it was wrong, or a reorganisation removed transactions of somebody else. "
        "Resume when you know.",
    ),
    PauseCause(
        FINALITY_BROKEN,
        "A transaction that was final is no longer on the chain.",
        "Read the news of the chain, and compare the node with another one. Resume when they agree.",
    ),
    PauseCause(
        DAY_LOSS,
        "Trades lost more than `daily.max_loss` in 24 hours.",
        "`keeper journal costs` shows which asset was expensive, `keeper journal show ID` which pool. Check "
        "prices and liquidity before you resume.",
    ),
    PauseCause(
        DAY_FAILURES,
        "`daily.max_failures` calls were mined and reverted in 24 hours.",
        "`keeper journal show ID` has the decoded reverts.",
    ),
    PauseCause(
        JOURNAL_UNWRITABLE,
        "The journal cannot be written and the keeper works with `KEEPER_FALLBACK_JOURNAL`, or that one fails: it only "
        "deleverages.",
        "Free disk space, or repair the database or the disk. It ends by itself when both can be written again.",
    ),
)
