"""The journal before revisions were written down: records in a chain of their own, intents that may change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table("schema", sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
    op.execute("INSERT INTO schema VALUES (1)")
    op.create_table(
        "rounds",
        sa.Column("symbol", sa.String(32), primary_key=True),
        sa.Column("round_id", sa.String(32), primary_key=True),
        sa.Column("answer", sa.String(80), nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
    )
    op.create_index("rounds_by_time", "rounds", ["symbol", "updated_at"])
    op.create_table(
        "records",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("record_id", sa.String(64), nullable=False, unique=True),
        sa.Column("started_at", sa.Float, nullable=False),
        sa.Column("outcome", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("previous_hash", sa.String(64), nullable=False, unique=True),
        sa.Column("hash", sa.String(64), nullable=False, unique=True),
    )
    op.create_table(
        "intents",
        sa.Column("intent_id", sa.String(64), primary_key=True),
        sa.Column("chain_id", sa.BigInteger, nullable=False),
        sa.Column("sender", sa.String(42), nullable=False),
        sa.Column("nonce", sa.BigInteger, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "attempts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("tx_hash", sa.String(66), nullable=False, unique=True),
        sa.Column("intent_id", sa.String(64), sa.ForeignKey("intents.intent_id"), nullable=False),
        sa.Column("raw", sa.Text, nullable=False),
        sa.Column("max_fee", sa.String(80), nullable=False),
        sa.Column("tip", sa.String(80), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("broadcast_at", sa.BigInteger),
    )
    op.create_table(
        "receipts",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("tx_hash", sa.String(66), sa.ForeignKey("attempts.tx_hash"), nullable=False),
        sa.Column("block_number", sa.BigInteger, nullable=False),
        sa.Column("block_hash", sa.String(66), nullable=False),
        sa.Column("succeeded", sa.Integer, nullable=False),
        sa.Column("gas_used", sa.BigInteger, nullable=False),
        sa.Column("gas_price", sa.String(80), nullable=False),
    )
    op.create_table(
        "transitions",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("intent_id", sa.String(64), sa.ForeignKey("intents.intent_id"), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
