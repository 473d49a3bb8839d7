"""contracts_abi/RiskParityVault.json and RedemptionQueue.json are what the sources compile to."""

from __future__ import annotations

from keeper.chain.admin.transactions import artifact_of
from keeper.devnet.compile import artifact

LARGEST_CONTRACT = 24_576  # EIP-170


def test_the_committed_artifact_is_a_fresh_compile_of_the_sources() -> None:
    committed, compiled = artifact_of("vault"), artifact("RiskParityVault")
    assert compiled.abi == committed["abi"]
    assert compiled.bytecode == committed["bytecode"]


def test_the_committed_queue_is_a_fresh_compile_of_its_sources() -> None:
    committed, compiled = artifact_of("queue"), artifact("RedemptionQueue")
    assert compiled.abi == committed["abi"]
    assert compiled.bytecode == committed["bytecode"]
    assert committed["runtime_bytes"] <= LARGEST_CONTRACT


def test_the_runtime_code_fits_a_contract() -> None:
    assert artifact_of("vault")["runtime_bytes"] <= LARGEST_CONTRACT
