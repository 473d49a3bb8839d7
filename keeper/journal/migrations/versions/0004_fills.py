"""What executed swaps returned."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "fills",
        sa.Column("record_id", sa.String(64), sa.ForeignKey("records.record_id"), primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("sold", sa.String(32), nullable=False),
        sa.Column("bought", sa.String(32), nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("value_usd", sa.Float, nullable=False),
        sa.Column("fair_out", sa.String(80), nullable=False),
        sa.Column("quoted_out", sa.String(80), nullable=False),
        sa.Column("simulated_out", sa.String(80)),
        sa.Column("realised_out", sa.String(80), nullable=False),
        sa.Column("fees_bps", sa.Float, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("entry", sa.Integer, sa.ForeignKey("entries.number"), nullable=False),
    )
    op.create_index("ix_fills_entry", "fills", ["entry"])
