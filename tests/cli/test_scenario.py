"""What ``keeper devnet scenario`` decides and refuses before a chain is started."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from keeper.cli.scenario import _settings
from keeper.devnet import history
from keeper.devnet.scenario.incidents import INCIDENTS, calm_path
from tests.cli.test_main import exit_code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("yesterday",), "there is no scenario yesterday"),
        ((), "no scenario is named"),
        (("--from", "2022-06-10"), "no scenario is named"),
        (("gas-spike", "--from", "2022-06-10"), "gas-spike is an incident of its own time"),
        (("gas-spike", "--step", "7m"), "not a multiple of 10 minutes"),
        (("gas-spike", "--step", "soon"), "not a multiple of 10 minutes"),
    ],
)
def test_a_wrong_argument_is_named_with_what_to_write(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("devnet", "scenario", *arguments) == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_an_asset_has_no_option_market_where_none_is_recorded() -> None:
    path = calm_path(INCIDENTS[0], history.load(None, None))
    [with_both, without] = (
        json.loads(_settings(None, None, each)["KEEPER_ASSETS"])
        for each in (path, replace(path, implied=path.implied[:1]))
    )
    assert [asset.get("implied_underlying") for asset in with_both] == ["BTC", "ETH", None, None]
    assert [asset.get("implied_underlying") for asset in without] == ["BTC", None, None, None]
    assert [asset["symbol"] for asset in without] == ["WBTC", "WETH", "LINK", "UNI"]
