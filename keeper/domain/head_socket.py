"""What is known of one WebSocket that tells new blocks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HeadSocketState:
    """``node`` is its address without secrets. ``heard_at`` is when it last told a block, Unix seconds; None before the
    first. ``trouble`` says why it tells none now; empty while it does."""

    node: str
    heard_at: float | None
    trouble: str
