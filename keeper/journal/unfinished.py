"""The intents of a journal without a final outcome, whoever sends them."""

from __future__ import annotations

from sqlalchemy import select

from keeper.domain.tx import UNFINISHED
from keeper.journal import schema
from keeper.journal.store import Journal


def unfinished_ids(journal: Journal, limit: int) -> tuple[str, ...]:
    """Of the newest ``limit`` of them, the newest first."""
    table = schema.intents
    query = (
        select(table.c.intent_id)
        .where(table.c.status.in_([status.value for status in UNFINISHED]))
        .order_by(table.c.entry.desc())
        .limit(limit)
    )
    return tuple(intent_id for (intent_id,) in journal.rows(query))
