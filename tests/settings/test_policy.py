from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from keeper.chain.admin.vault_blueprint import SHIPPED_POLICY
from keeper.domain.errors import InvalidSetting
from keeper.domain.units import BPS, WAD
from keeper.domain.urgency import Urgency
from keeper.settings.endpoints import endpoints, key_source
from keeper.settings.load import deployed_symbols
from keeper.settings.policy import policy, restricted, settings_hash
from keeper.settings.schema import Settings

ROOT = Path(__file__).parents[2]
ADDRESS = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
KEY = "0x" + "5e" * 32


def given(**fields: Any) -> Settings:
    """Settings from what a file or the environment says: as text and tables, which ``Settings`` reads."""
    return Settings(**fields)


def test_the_shipped_strategy_file_says_exactly_the_defaults() -> None:
    shipped = tomllib.loads((ROOT / "keeper.toml").read_text(encoding="utf-8"))
    assert given() == given(**shipped)


@pytest.mark.parametrize("each", [0.333333, 0.333, 1 / 3])
def test_rounded_budgets_are_scaled_to_one(each: float) -> None:
    assets = tuple({"symbol": symbol, "budget": each} for symbol in ("WBTC", "WETH", "LINK"))
    scaled = [asset.budget for asset in policy(given(assets=assets)).assets]
    assert scaled == pytest.approx([1 / 3] * 3, abs=1e-15)


def test_the_policy_carries_every_value_in_the_domains_units() -> None:
    result = policy(given())
    assert tuple(asset.symbol for asset in result.assets) == ("WBTC", "WETH", "LINK", "UNI")
    assert tuple(asset.implied_underlying for asset in result.assets) == ("BTC", "ETH", None, None)
    assert sum(asset.budget for asset in result.assets) == 1.0
    assert result.decision.at(Urgency.ROUTINE).max_gas_price_wei == 40 * 10**9
    assert result.decision.gas_reserve_wei == 10**18
    assert result.size.scenarios[0].of(("LINK", "UNI", "WBTC")) == (0.60, 0.60, 0.51)


def test_the_shipped_strategy_is_nowhere_looser_than_the_vaults_suggested_policy() -> None:
    ours, vaults = policy(given()), SHIPPED_POLICY
    assert ours.size.max_leverage <= vaults.max_leverage / WAD
    assert ours.size.min_health_factor >= vaults.min_health / WAD
    assert ours.decision.act_health_factor >= vaults.ripcord_health / WAD
    assert ours.decision.safe_health_factor >= vaults.min_health / WAD
    assert ours.decision.max_oracle_gap_bps <= vaults.max_gap_bps
    assert all(asset.max_weight <= 11_000 / BPS for asset in ours.assets)
    for urgency in (Urgency.ROUTINE, Urgency.OUT_OF_BAND):
        assert ours.decision.at(urgency).cooldown_s >= vaults.min_interval
    for urgency in Urgency:
        assert ours.decision.at(urgency).max_slippage_bps <= 100


def test_the_hash_changes_with_the_strategy_and_not_with_secrets() -> None:
    plain = settings_hash(given())
    assert plain == settings_hash(given(private_key=KEY, rpc_url="http://node/secret", log_level="debug"))
    assert plain != settings_hash(given(size={"max_leverage": 1.5}))
    assert plain != settings_hash(given(vault=ADDRESS))


def test_no_secret_is_in_any_repr() -> None:
    settings = given(
        private_key=KEY,
        rpc_url="http://user:hunter2@node:1",
        journal_url="postgresql://u:hunter2@h/d",
        chain_id=31337,
        vault=ADDRESS,
        quoter=ADDRESS,
    )
    for text in (repr(key_source(settings)), repr(endpoints(settings))):
        assert KEY not in text
        assert "hunter2" not in text
    assert KEY not in repr(settings)


def test_a_keystore_goes_before_a_raw_key() -> None:
    source = key_source(given(private_key=KEY, keystore="key.json"))
    assert source.private_key is None
    assert Path("key.json") == source.keystore


def test_an_asset_that_is_not_deployed_is_left_out_and_the_budgets_still_sum_to_one() -> None:
    kept, left_out = restricted(policy(given()), ("USDC", "WBTC", "WETH", "LINK"))
    assert left_out == ("UNI",)
    assert tuple(asset.symbol for asset in kept.assets) == ("WBTC", "WETH", "LINK")
    assert sum(asset.budget for asset in kept.assets) == pytest.approx(1.0, abs=1e-15)


def test_a_group_loses_what_is_not_deployed_and_goes_when_nothing_is_left() -> None:
    groups = [
        {"name": "defi", "symbols": ["LINK", "UNI"], "max_share": 0.4},
        {"name": "dex", "symbols": ["UNI"], "max_share": 0.3},
    ]
    whole = policy(given(size={"groups": groups}))
    assert [group.name for group in whole.size.groups] == ["defi", "dex"]
    kept, _ = restricted(whole, ("USDC", "WBTC", "WETH", "LINK"))
    assert [(group.name, group.symbols) for group in kept.size.groups] == [("defi", ("LINK",))]


def test_an_asset_has_its_part_of_its_class_and_the_others_of_the_class_take_what_is_not_deployed() -> None:
    assets = [
        {"symbol": "WBTC", "budget": 0.5},
        {"symbol": "WETH", "budget": 0.3},
        {"symbol": "LINK", "budget": 0.2},
        {"symbol": "PAXG", "budget": 0.4},
    ]
    classes = [
        {"name": "crypto", "symbols": ["WBTC", "WETH", "LINK"], "budget": 0.6, "max_share": 0.7},
    ]
    whole = policy(given(assets=assets, size={"classes": classes}))
    assert [asset.budget for asset in whole.assets] == pytest.approx([0.30, 0.18, 0.12, 0.40])
    assert [(group.name, group.max_share) for group in whole.size.groups] == [("crypto", 0.7)]
    kept, _ = restricted(whole, ("USDC", "WBTC", "WETH", "PAXG"))
    assert [asset.budget for asset in kept.assets] == pytest.approx([0.375, 0.225, 0.4])


@pytest.mark.parametrize(
    ("size", "why"),
    [
        (
            {"classes": [{"name": name, "symbols": ["WBTC", "WETH"], "budget": 0.25} for name in "ab"]},
            "WBTC, WETH is listed twice",
        ),
        (
            {"classes": [{"name": "a", "symbols": ["WBTC", "WETH", "LINK", "UNI"], "budget": 0.5}]},
            r"the budgets sum to 0\.5, not 1: class a 0\.5",
        ),
        ({"classes": [{"name": "a", "symbols": ["XAUt"], "budget": 1.0}]}, "XAUt is not one of the assets"),
        (
            {"factors": [{"name": "gold", "budget": 0.4, "portfolio": {"WBTC": 1.0}}]},
            r"size.factors: the budgets sum to 0\.4",
        ),
        (
            {"factors": [{"name": "gold", "budget": 1.0, "portfolio": {"WBTC": -1.0}}]},
            "no value is 0, and one is above",
        ),
    ],
)
def test_classes_and_factors_that_do_not_add_up_are_refused(size: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        given(size=size)


def test_factor_risk_parity_without_a_factor_is_refused_before_anything_starts() -> None:
    with pytest.raises(InvalidSetting, match="there is no"):
        policy(given(size={"allocation": "factor_risk_parity"}))


def test_caps_that_allow_no_portfolio_are_refused_before_anything_starts() -> None:
    groups = [
        {"name": "majors", "symbols": ["WBTC", "WETH"], "max_share": 0.6},
        {"name": "defi", "symbols": ["LINK", "UNI"], "max_share": 0.3},
    ]
    with pytest.raises(InvalidSetting, match=r"group:majors 0\.6, group:defi 0\.3 allow 0\.9"):
        policy(given(size={"groups": groups}))
    loose = policy(given(size={"groups": groups[:1]}))
    with pytest.raises(InvalidSetting, match=r"group:majors 0\.6 allow 0\.6"):
        restricted(loose, ("USDC", "WBTC", "WETH"))


def test_an_allocation_whose_library_is_missing_is_refused_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pypfopt", None)
    with pytest.raises(InvalidSetting, match="hierarchical_risk_parity") as caught:
        policy(given(size={"allocation": "hierarchical_risk_parity"}))
    assert "pip install -e '.[research]'" in caught.value.remedy


def test_a_deployment_with_none_of_the_assets_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="none of WBTC"):
        restricted(policy(given()), ("USDC",))


def test_the_tokens_of_the_deployment_file_are_known(tmp_path: Path) -> None:
    path = tmp_path / "deployment.json"
    path.write_text(json.dumps({"tokens": {"USDC": {}, "WBTC": {}}}), encoding="utf-8")
    assert deployed_symbols(given(deployment=path)) == ("USDC", "WBTC")
    assert deployed_symbols(given()) is None


def test_to_buy_without_a_second_opinion_is_for_the_development_chain_alone() -> None:
    assert policy(given(chain_id=31337)).oracle.min_opinions == 0
    assert policy(given(chain_id=1)).oracle.min_opinions == 1
    assert policy(given(chain_id=1, oracle={"min_opinions": 2})).oracle.min_opinions == 2
    assert policy(given(chain_id=31337, oracle={"min_opinions": 1})).oracle.min_opinions == 1
    with pytest.raises(InvalidSetting, match=r"oracle\.min_opinions is 0 on chain 1") as caught:
        policy(given(chain_id=1, oracle={"min_opinions": 0}))
    assert "at least 1" in caught.value.remedy
