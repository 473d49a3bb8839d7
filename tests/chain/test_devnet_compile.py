"""Compiled contracts: what decides that they are made again, and what is said when they cannot be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from keeper.devnet import compile as contracts
from keeper.devnet.paths import NODE_MODULES
from keeper.devnet.transactions import linked
from keeper.domain.errors import BadInput

EIP_170_LIMIT = 24_576


def packages_like(real: Path, place: Path) -> Path:
    """Only what names their versions."""
    for file in (*real.glob("*/package.json"), *real.glob("@*/*/package.json")):
        copy = place / file.relative_to(real)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(file.read_bytes())
    return place


def test_another_version_of_any_package_makes_another_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contracts, "NODE_MODULES", packages_like(NODE_MODULES, tmp_path))
    seen = {contracts.fingerprint()}
    for package in (
        "@openzeppelin/contracts",
        "@uniswap/v3-core",
        "canonical-weth",
        "viem",
        "@foundry-rs/anvil",
    ):
        described = tmp_path / package / "package.json"
        described.write_text(json.dumps({**json.loads(described.read_text()), "version": "0.0.0"}))
        seen.add(contracts.fingerprint())
    assert len(seen) == 6


def test_a_missing_package_is_named_with_its_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contracts, "NODE_MODULES", tmp_path)
    with pytest.raises(BadInput, match="not installed") as caught:
        contracts.compile_all(lambda _: None)
    assert "make setup" in caught.value.remedy


def test_an_unknown_contract_is_named() -> None:
    with pytest.raises(BadInput, match="Nonesuch"):
        contracts.artifact("Nonesuch")


@pytest.mark.parametrize("name", [name for name, group in contracts.OWN.items() if group == "portfolio"])
def test_each_part_of_the_vault_fits_into_a_contract(name: str) -> None:
    assert len(contracts.artifact(name).deployed_bytecode) // 2 - 1 <= EIP_170_LIMIT


def test_libraries_are_named_where_aave_needs_them() -> None:
    needed = {name for names in contracts.artifact("PoolInstance").links.values() for name in names}
    assert {"SupplyLogic", "BorrowLogic", "FlashLoanLogic"} <= needed


def test_morpho_is_compiled_by_its_own_solc_and_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    code = bytes.fromhex(contracts.artifact("Morpho").deployed_bytecode[2:])
    assert code.endswith(bytes.fromhex("64736f6c6343 000813 0033"))  # its metadata: "solc" 0.8.19
    assert len(code) <= EIP_170_LIMIT
    asked: list[str] = []
    real = contracts.compiled_group

    def noted(group: contracts.SourceGroup) -> Mapping[str, contracts.Artifact]:
        asked.append(group.name)
        return real(group)

    monkeypatch.setattr(contracts, "compiled_group", noted)
    contracts.compile_all(lambda _: None)
    contracts.artifact("PoolInstance")
    assert "aave" in asked
    assert "morpho" not in asked


def test_a_shipped_artifact_is_linked_from_its_own_references(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "NonfungibleTokenPositionDescriptor"
    path = f"@uniswap/v3-periphery/artifacts/contracts/{name}.sol/{name}.json"
    monkeypatch.setitem(contracts._SHIPPED, name, path)
    compiled = contracts.artifact(name)
    libraries = {library for found in compiled.links.values() for library in found}
    code = linked(compiled, dict.fromkeys(libraries, "0x" + "12" * 20))
    assert libraries
    assert "__$" in compiled.bytecode
    assert "__$" not in code
