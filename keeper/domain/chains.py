"""Chain ids with a meaning of their own."""

from __future__ import annotations

DEVELOPMENT_CHAIN_ID = 31_337
"""Anvil's default. A raw private key and failpoints are accepted on this chain only."""
