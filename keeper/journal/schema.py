"""The journal's tables. What must never happen is a constraint here, not an ``if`` somewhere.

Numbers that may exceed 64 bits (round ids, answers, wei) are text.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
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

VERSION = 1

metadata = MetaData()

schema = Table("schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

rounds = Table(
    "rounds",
    metadata,
    Column("symbol", String(32), primary_key=True),
    Column("round_id", String(32), primary_key=True),
    Column("answer", String(80), nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Index("rounds_by_time", "symbol", "updated_at"),
)

records = Table(
    "records",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("record_id", String(64), nullable=False, unique=True),
    Column("started_at", Float, nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("previous_hash", String(64), nullable=False, unique=True),
    Column("hash", String(64), nullable=False, unique=True),
)

intents = Table(
    "intents",
    metadata,
    Column("intent_id", String(64), primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("sender", String(42), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    Column("payload", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
_IN_FLIGHT = text("status IN ('OPEN', 'UNKNOWN', 'MINED')")
Index(
    "one_intent_in_flight_per_key",
    intents.c.chain_id,
    intents.c.sender,
    unique=True,
    sqlite_where=_IN_FLIGHT,
    postgresql_where=_IN_FLIGHT,
)
# An intent expires only while nothing was signed for it: its nonce was never used.
_KEPT_ITS_NONCE = text("status <> 'EXPIRED'")
Index(
    "one_intent_per_nonce",
    intents.c.chain_id,
    intents.c.sender,
    intents.c.nonce,
    unique=True,
    sqlite_where=_KEPT_ITS_NONCE,
    postgresql_where=_KEPT_ITS_NONCE,
)

attempts = Table(
    "attempts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("tx_hash", String(66), nullable=False, unique=True),
    Column("intent_id", String(64), ForeignKey("intents.intent_id"), nullable=False, index=True),
    Column("raw", Text, nullable=False),
    Column("max_fee", String(80), nullable=False),
    Column("tip", String(80), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("broadcast_at", BigInteger),
)

receipts = Table(
    "receipts",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("tx_hash", String(66), ForeignKey("attempts.tx_hash"), nullable=False),
    Column("block_number", BigInteger, nullable=False),
    Column("block_hash", String(66), nullable=False),
    Column("succeeded", Integer, nullable=False),
    Column("gas_used", BigInteger, nullable=False),
    Column("gas_price", String(80), nullable=False),
    UniqueConstraint("tx_hash", "block_hash"),
)

transitions = Table(
    "transitions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("intent_id", String(64), ForeignKey("intents.intent_id"), nullable=False, index=True),
    Column("status", String(16), nullable=False),
    Column("at", BigInteger, nullable=False),
)
