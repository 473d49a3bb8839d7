"""Terms: which of several keepers led, and from when on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0102"
down_revision = "0101"


def upgrade() -> None:
    op.create_table(
        "terms",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("entry", sa.Integer, sa.ForeignKey("entries.number"), nullable=False),
    )
    op.create_index("ix_terms_entry", "terms", ["entry"])
