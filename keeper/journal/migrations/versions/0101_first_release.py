"""The schema of 0.1.0, where migrations start.

A new journal is created from ``journal.schema`` and stamped with the newest revision, so this step is empty. A later
revision says only what changes. Revisions below 0101 were development schemas; their journals are refused.
"""

from __future__ import annotations

revision = "0101"
down_revision = None


def upgrade() -> None:
    pass
