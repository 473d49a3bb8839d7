"""The journal's tables. Forbidden states are constraints here, not checks in the code.

Rows are only added. ``intents.status`` is the only column that changes; it repeats the intent's last move. Each row
belongs to an entry of the hash chain. Numbers that may exceed 64 bits (round ids, answers, wei) are text.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from keeper.domain.tx import LET_GO, TRANSITIONS, WAITING, IntentStatus

metadata = MetaData()


def _entry() -> Column[int]:
    return Column("entry", Integer, ForeignKey("entries.number"), nullable=False, index=True)


entries = Table(
    "entries",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("previous_hash", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
)

rounds = Table(
    "rounds",
    metadata,
    Column("symbol", String(32), primary_key=True),
    Column("round_id", String(32), primary_key=True),
    Column("answer", String(80), nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    _entry(),
    Index("rounds_by_time", "symbol", "updated_at"),
)

records = Table(
    "records",
    metadata,
    Column("record_id", String(64), primary_key=True),
    Column("started_at", Float, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("body", LargeBinary, nullable=False),
    _entry(),
)

intents = Table(
    "intents",
    metadata,
    Column("intent_id", String(64), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("sender", String(42), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Column("supersedes", String(64), ForeignKey("intents.intent_id")),
    Column("created_at", BigInteger, nullable=False),
    Column("status", String(16), nullable=False),
    _entry(),
)


def _listed(statuses: tuple[IntentStatus, ...]) -> str:
    return ", ".join(f"'{status.value}'" for status in statuses)


_IS_WAITING = text(f"status IN ({_listed(WAITING)})")
Index(
    "one_waiting_intent_per_key",
    intents.c.chain_id,
    intents.c.sender,
    unique=True,
    sqlite_where=_IS_WAITING,
    postgresql_where=_IS_WAITING,
)
_HAS_THE_NONCE = text(f"status NOT IN ({_listed(LET_GO)})")
Index(
    "one_intent_per_nonce",
    intents.c.chain_id,
    intents.c.sender,
    intents.c.nonce,
    unique=True,
    sqlite_where=_HAS_THE_NONCE,
    postgresql_where=_HAS_THE_NONCE,
)

_ALLOWED = ", ".join(f"'{was.value}>{then.value}'" for was, then in TRANSITIONS)
moves = Table(
    "moves",
    metadata,
    Column("intent_id", String(64), ForeignKey("intents.intent_id"), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("step_before", Integer),
    Column("was", String(16)),
    Column("became", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
    _entry(),
    UniqueConstraint("intent_id", "step", "became"),
    ForeignKeyConstraint(
        ["intent_id", "step_before", "was"],
        ["moves.intent_id", "moves.step", "moves.became"],
        name="a_move_begins_where_the_last_one_ended",
    ),
    CheckConstraint(
        "(step = 1 AND step_before IS NULL AND was IS NULL AND became = 'OPEN') OR "
        "(step > 1 AND step_before = step - 1 AND was IS NOT NULL)",
        name="moves_are_numbered",
    ),
    CheckConstraint(f"was IS NULL OR was || '>' || became IN ({_ALLOWED})", name="moves_are_allowed"),
)

attempts = Table(
    "attempts",
    metadata,
    Column("tx_hash", String(66), primary_key=True),
    Column("intent_id", String(64), ForeignKey("intents.intent_id"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("raw", Text, nullable=False),
    Column("max_fee", String(80), nullable=False),
    Column("tip", String(80), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    _entry(),
    UniqueConstraint("intent_id", "place"),
)

broadcasts = Table(
    "broadcasts",
    metadata,
    Column("tx_hash", String(66), ForeignKey("attempts.tx_hash"), primary_key=True),
    Column("at", BigInteger, nullable=False),
    _entry(),
)

receipts = Table(
    "receipts",
    metadata,
    Column("tx_hash", String(66), ForeignKey("attempts.tx_hash"), primary_key=True),
    Column("block_hash", String(66), primary_key=True),
    Column("block_number", BigInteger, nullable=False),
    Column("succeeded", Integer, nullable=False),
    Column("gas_used", BigInteger, nullable=False),
    Column("gas_price", String(80), nullable=False),
    Column("rollup_fee", String(80), nullable=False),
    Column("nav_before", String(80)),
    Column("nav_after", String(80)),
    _entry(),
)

adopted_nonces = Table(
    "adopted_nonces",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("chain_id", BigInteger, nullable=False),
    Column("sender", String(42), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    _entry(),
)
"""What the chain's count of a key's transactions was taken to be. Of several rows for a key the last counts."""

switches = Table(
    "switches",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("action", String(8), nullable=False),
    Column("cause", String(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    _entry(),
    CheckConstraint("action IN ('pause', 'resume')", name="switches_pause_or_resume"),
)

orders = Table(
    "orders",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("health_factor", Float),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    _entry(),
)
"""What a person asked of the running keeper. ``health_factor`` is null where all debt is to be repaid."""

answers = Table(
    "answers",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("subject", String(8), nullable=False),
    Column("subject_number", Integer, nullable=False),
    Column("state", String(8), nullable=False),
    Column("text", Text, nullable=False),
    Column("record_id", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    _entry(),
    UniqueConstraint("subject", "subject_number", "state"),
)
"""What the running keeper answered to orders, and to pauses and resumes."""

acceptances = Table(
    "acceptances",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("body", Text, nullable=False),
    _entry(),
)
"""Missing facts that a person accepted."""

seals = Table(
    "seals",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("sha256", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    _entry(),
)

bars = Table(
    "bars",
    metadata,
    Column("symbol", String(32), primary_key=True),
    Column("seconds", Integer, primary_key=True, autoincrement=False),
    Column("closed_at", BigInteger, primary_key=True, autoincrement=False),
    Column("source", String(64), nullable=False),
    Column("open", Float),
    Column("high", Float),
    Column("low", Float),
    Column("close", Float, nullable=False),
    _entry(),
    CheckConstraint("seconds > 0 AND closed_at % seconds = 0", name="bars_end_on_their_grid"),
    CheckConstraint("close > 0", name="bars_have_a_price"),
    Index("bars_by_time", "symbol", "closed_at"),
)
"""Prices of other sources, USD. ``open``, ``high`` and ``low`` are null if the source has none."""

fills = Table(
    "fills",
    metadata,
    Column("record_id", String(64), ForeignKey("records.record_id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("sold", String(32), nullable=False),
    Column("bought", String(32), nullable=False),
    Column("route", Text, nullable=False),
    Column("value_usd", Float, nullable=False),
    Column("fair_out", String(80), nullable=False),
    Column("quoted_out", String(80), nullable=False),
    Column("simulated_out", String(80)),
    Column("realised_out", String(80), nullable=False),
    Column("fees_bps", Float, nullable=False),
    Column("at", BigInteger, nullable=False),
    _entry(),
)
"""Executed swaps of a record, in the order of its plan."""

terms = Table(
    "terms",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("holder", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    _entry(),
)
"""Which of several keepers led. A row of another table belongs to the newest term before its entry."""

CHAINED = (
    terms,
    rounds,
    records,
    intents,
    moves,
    attempts,
    broadcasts,
    receipts,
    adopted_nonces,
    switches,
    orders,
    answers,
    acceptances,
    seals,
    bars,
    fills,
)
"""Every table whose rows belong to an entry, in the order in which their rows may be inserted."""
NOT_IN_DIGEST = {"intents": ("entry", "status")}
