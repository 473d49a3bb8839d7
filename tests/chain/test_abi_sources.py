"""The ABIs in the repository are those of the packages that are locked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.devnet.compile import deployable
from tests.tools.extract_abis import FOLDER, NODE_MODULES, extracted


def test_every_abi_is_what_its_source_says() -> None:
    if not (NODE_MODULES / "solc").exists():
        pytest.skip("no node_modules: run make setup")
    committed = {
        file.stem: json.loads(file.read_text(encoding="utf-8"))
        for file in Path(FOLDER).glob("*.json")
        if file.stem not in deployable()
    }
    assert extracted() == committed
