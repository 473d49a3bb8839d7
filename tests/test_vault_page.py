"""The pages about the vault name tests in Solidity. Each is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ("vault", "threat-model", "slither")
NAMED = re.compile(r"`(?:(\w+)\.)?((?:test|testFuzz|invariant)_\w+)`")


def _tests() -> dict[str, set[str]]:
    """Test to the contracts that have it, without their ending ``Test``."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "tests" / "forge").glob("*.sol"):
        contract = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"(?:abstract )?contract (\w+)", line):
                contract = match[1].removesuffix("Test")
            if match := re.match(r" {4}function (\w+)\(", line):
                found.setdefault(match[1], set()).add(contract)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_every_solidity_test_that_a_page_names_exists(page: str) -> None:
    tests = _tests()
    for contract, name in NAMED.findall((ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")):
        assert name in tests, name
        assert not contract or contract in tests[name], f"{contract}.{name}"
