"""Compiled contracts: what decides that they are made again, and what is said when they cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.devnet import compile as contracts
from keeper.devnet.paths import NODE_MODULES
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
