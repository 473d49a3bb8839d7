"""Price history from elsewhere than the vault's feeds."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "bars",
        sa.Column("symbol", sa.String(32), primary_key=True),
        sa.Column("seconds", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("closed_at", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("open", sa.Float),
        sa.Column("high", sa.Float),
        sa.Column("low", sa.Float),
        sa.Column("close", sa.Float, nullable=False),
        sa.Column("entry", sa.Integer, sa.ForeignKey("entries.number"), nullable=False),
        sa.CheckConstraint("seconds > 0 AND closed_at % seconds = 0", name="bars_end_on_their_grid"),
        sa.CheckConstraint("close > 0", name="bars_have_a_price"),
    )
    op.create_index("bars_by_time", "bars", ["symbol", "closed_at"])
    op.create_index("ix_bars_entry", "bars", ["entry"])
