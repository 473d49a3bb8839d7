""".env.example, as an operator uses it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from dotenv import dotenv_values

from keeper.cli.venue import recorded_venue
from keeper.cli.venue_file import own_venue
from keeper.settings.endpoints import endpoints
from keeper.settings.load import load, load_strategy
from keeper.settings.policy import policy
from keeper.settings.schema import Settings

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"


@pytest.mark.parametrize(
    "file", sorted((ROOT / "deploy" / "strategies").glob("*[!e].toml")), ids=lambda file: file.stem
)
def test_a_shipped_strategy_is_read_and_its_venue_lists_its_assets(file: Path) -> None:
    strategy = policy(load_strategy(file))
    venue = own_venue(file.with_name(f"{file.stem}-venue.toml"))
    terms = recorded_venue(own=venue)
    for asset in strategy.assets:
        assert terms.terms(asset.symbol).ltv_bps > 0
        assert any(set(pool.symbols) == {asset.symbol, "USDC"} for pool in terms.pools)


def test_the_copied_example_changes_nothing(bare: Path) -> None:
    (bare / ".env").write_text(EXAMPLE, encoding="utf-8")
    assert load() == Settings()


def test_the_shortest_way_is_one_line(bare: Path) -> None:
    deployment = {"rpc_url": "http://127.0.0.1:8545", "chain_id": 31337, "vault": ADDRESS, "quoter": ADDRESS}
    (bare / ".devnet").mkdir()
    (bare / ".devnet" / "deployment.json").write_text(json.dumps(deployment), encoding="utf-8")
    (bare / ".env").write_text(EXAMPLE.replace("#KEEPER_DEPLOYMENT=", "KEEPER_DEPLOYMENT="), encoding="utf-8")
    where = endpoints(load())
    assert (where.rpc_urls, where.chain_id) == (("http://127.0.0.1:8545",), 31337)


@pytest.mark.parametrize(
    "line",
    [line for line in EXAMPLE.splitlines() if re.match(r"#KEEPER_\w+=.", line)],
    ids=lambda line: line[1:40],
)
def test_every_example_value_is_accepted(line: str, bare: Path) -> None:
    for name in ("addresses.toml", "keeper.toml", ".devnet/deployment.json"):
        (bare / name).parent.mkdir(exist_ok=True)
        (bare / name).write_text("{}" if name.endswith("json") else "", encoding="utf-8")
    needed = {
        "KEEPER_SIGNER_URL": f"KEEPER_SENDER={ADDRESS}",
        "KEEPER_RPC_QUORUM": "KEEPER_RPC_URL=http://a,http://b,http://c",
        "KEEPER_ROLE": f"KEEPER_ROLES_MODIFIER={ADDRESS}",
    }
    name = line[1:].partition("=")[0]
    (bare / ".env").write_text(f"{line[1:]}\n{needed.get(name, '')}\n", encoding="utf-8")
    assert dotenv_values(bare / ".env")[name]
    load()
