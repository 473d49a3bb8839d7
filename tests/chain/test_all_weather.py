"""Gold and staked ETH in a vault on the local chain, as the demo of that universe shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from keeper.cli.main import main
from keeper.devnet import all_weather, market_hours
from keeper.devnet.universe import UniverseName


def test_the_demo_keeps_its_promises_over_a_weekend_and_through_a_lost_peg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--universe", "all-weather", "--data-dir", str(tmp_path)])
    printed = capsys.readouterr().out
    assert not ended.value.code, printed
    assert "weekend: price gate disagrees" in printed
    assert "peg lost: price gate below_rate" in printed
    assert "every promise kept" in printed


def test_gold_has_no_price_while_its_market_is_closed() -> None:
    monday = datetime(2022, 6, 13, tzinfo=UTC)
    market = all_weather.load(UniverseName.ALL_WEATHER, monday, None)
    assert market.risk_symbols == ("WBTC", "wstETH", "XAUt", "sDAI")
    gold, coin = market.price("XAUt").times, market.price("WETH").times
    silent = np.setdiff1d(coin, gold)
    assert silent.size > 0
    assert not any(market_hours.is_open("XAUt", int(at)) for at in silent)
    assert max(np.diff(gold)) < market_hours.longest_silence_s("XAUt")
