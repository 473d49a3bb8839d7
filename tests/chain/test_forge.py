"""The vault's own tests, in Solidity on Aave's and Uniswap's code. ``make forge`` runs them in full."""

from __future__ import annotations

import os
import subprocess

import pytest

from keeper.devnet.anvil import packaged
from keeper.devnet.paths import ROOT

FORGE = packaged("forge")
SIZE_IN_THE_SUITE = {
    "FOUNDRY_FUZZ_RUNS": "8",
    "FOUNDRY_INVARIANT_RUNS": "3",
    "FOUNDRY_INVARIANT_DEPTH": "100",
}
"""Half a minute of one core, unless the environment says more. ``make forge`` runs 256 examples of each property, and 256 × 500 calls
between which the invariants must hold."""


@pytest.mark.slow
def test_the_vaults_solidity_tests_pass() -> None:
    """Compiles first where a source has changed."""
    run = subprocess.run(
        [FORGE, "test", "-j", "1"],
        cwd=ROOT,
        env=SIZE_IN_THE_SUITE | os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]


def test_a_failure_of_forge_is_seen() -> None:
    """npm's launcher script ends with 0 even then."""
    run = subprocess.run([FORGE, "no-such-command"], capture_output=True, check=False)
    assert run.returncode != 0
