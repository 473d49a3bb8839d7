"""The chain of tests/chain, for faults."""

from __future__ import annotations

from tests.chain.conftest import chain, deployment_file, fork, world

__all__ = ["chain", "deployment_file", "fork", "world"]
