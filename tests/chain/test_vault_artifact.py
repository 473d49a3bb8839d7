"""contracts_abi/RiskParityVault.json and RedemptionQueue.json are what the sources compile to."""

from __future__ import annotations

from keeper.chain.admin.queue_deployment import queue_artifact
from keeper.chain.admin.vault_deployment import vault_artifact
from keeper.devnet.compile import artifact

LARGEST_CONTRACT = 24_576  # EIP-170


def test_the_committed_artifact_is_a_fresh_compile_of_the_sources() -> None:
    committed, compiled = vault_artifact(), artifact("RiskParityVault")
    assert compiled.abi == committed["abi"]
    assert compiled.bytecode == committed["bytecode"]


def test_the_committed_queue_is_a_fresh_compile_of_its_sources() -> None:
    committed, compiled = queue_artifact(), artifact("RedemptionQueue")
    assert compiled.abi == committed["abi"]
    assert compiled.bytecode == committed["bytecode"]
    assert committed["runtime_bytes"] <= LARGEST_CONTRACT


def test_the_runtime_code_fits_a_contract() -> None:
    assert vault_artifact()["runtime_bytes"] <= LARGEST_CONTRACT
