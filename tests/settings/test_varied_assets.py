"""A sweep varies the [[assets]] of a strategy: one field of one asset, or which of them are held."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from keeper.domain.errors import InvalidSetting
from keeper.settings.load import load_variant
from keeper.settings.policy import policy

STRATEGY = """
[[assets]]
symbol = "WBTC"
budget = 0.5
[[assets]]
symbol = "WETH"
budget = 0.3
implied_underlying = "ETH"
[[assets]]
symbol = "LINK"
budget = 0.2
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "strategy.toml"
    path.write_text(STRATEGY)
    return path


def budgets(file: Path | None, **changes: Any) -> dict[str, float]:
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return {asset.symbol: asset.budget for asset in policy(load_variant(file, named)).assets}


def test_one_field_of_one_asset(file: Path) -> None:
    varied = policy(load_variant(file, {"assets.WETH.max_weight": 0.4}))
    assert [asset.max_weight for asset in varied.assets] == [1.1, 0.4, 1.1]
    assert [asset.implied_underlying for asset in varied.assets] == [None, "ETH", None]
    assert budgets(file, assets__WETH__max_weight=0.4) == {"WBTC": 0.5, "WETH": 0.3, "LINK": 0.2}


def test_the_other_budgets_share_the_rest_in_their_proportions(file: Path) -> None:
    assert budgets(file, assets__WBTC__budget=0.25) == pytest.approx(
        {"WBTC": 0.25, "WETH": 0.45, "LINK": 0.3}
    )
    two = budgets(file, assets__WBTC__budget=0.25, assets__LINK__budget=0.25)
    assert two == pytest.approx({"WBTC": 0.25, "WETH": 0.5, "LINK": 0.25})


def test_which_assets_are_held(file: Path) -> None:
    assert budgets(file, assets="WBTC+WETH") == pytest.approx({"WBTC": 0.625, "WETH": 0.375})
    assert budgets(file, assets="LINK") == {"LINK": 1.0}


def test_the_defaults_can_be_varied_too() -> None:
    assert budgets(None, assets="WBTC+WETH") == {"WBTC": 0.5, "WETH": 0.5}


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("assets.UNI.budget", 0.2, "the strategy has no asset 'UNI'"),
        ("assets", "WBTC+UNI", "the strategy has no asset 'UNI'"),
        ("assets.WBTC", 0.2, "not a setting of an asset"),
        ("assets.WBTC.weight", 0.2, "not a setting of an asset"),
        ("assets.WBTC.budget", 1.5, "budget"),
        ("assets.WBTC.budget", "much", "--set assets.WBTC.budget=much: a budget is a number"),
        ("assets", "WBTC+WBTC", r"--set assets=WBTC\+WBTC: an asset comes twice"),
    ],
)
def test_what_cannot_be_varied_is_named(file: Path, name: str, value: object, said: str) -> None:
    with pytest.raises(InvalidSetting, match=said):
        load_variant(file, {name: value})
