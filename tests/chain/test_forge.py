"""The program that plays the vault's own tests, in Solidity on Aave's, Morpho's and Uniswap's code: ``make forge``."""

from __future__ import annotations

import subprocess

from keeper.devnet.anvil import packaged

FORGE = packaged("forge")


def test_a_failure_of_forge_is_seen() -> None:
    """npm's launcher script ends with 0 even then."""
    run = subprocess.run([FORGE, "no-such-command"], capture_output=True, check=False)
    assert run.returncode != 0
