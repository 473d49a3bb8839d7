"""Gold and staked ETH in a vault on the local chain, as the demo of that universe shows them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest

from keeper.cli.main import main
from keeper.devnet import all_weather, local_chain, market_hours
from keeper.devnet.aave import GOLD_CATEGORY
from keeper.devnet.transactions import contract_at, send
from keeper.devnet.universe import UniverseName
from keeper.devnet.vault_reading import read_positions
from keeper.domain.units import WAD


def test_the_demo_keeps_its_promises_over_a_weekend_and_through_a_lost_peg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    # The demo points this process to its chain by environment variables.
    with patch.dict(os.environ), pytest.raises(SystemExit) as ended:
        main(["demo", "--universe", "all-weather", "--data-dir", str(tmp_path)])
    printed = capsys.readouterr().out
    assert not ended.value.code, printed
    assert "weekend: price gate disagrees" in printed
    assert "peg lost: price gate below_rate" in printed
    assert "peg lost: sold_at_rate, wstETH would be sold below the rate" in printed
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


def test_gold_has_an_emode_of_its_own_and_the_vault_lists_the_universe_with_real_decimals() -> None:
    market = all_weather.load(UniverseName.ALL_WEATHER, None, None)
    with local_chain.running(market, lambda _: None) as (_, built):
        number, *terms, label = GOLD_CATEGORY
        functions = built.pool.functions
        assert list(functions.getEModeCategoryCollateralConfig(number).call()) == terms
        assert functions.getEModeCategoryLabel(number).call() == label
        listed = {symbol: built.tokens[symbol] for symbol in ("XAUt", "USDC")}
        places = {
            symbol: functions.getReserveData(token.address).call()[7] for symbol, token in listed.items()
        }
        assert functions.getEModeCategoryCollateralBitmap(number).call() == 1 << places["XAUt"]
        assert functions.getEModeCategoryBorrowableBitmap(number).call() == 1 << places["USDC"]
        emodes = [position.category for position in read_positions(built)]
        assert emodes == [0, number]
        decimals = {
            symbol: contract_at(built.w3, "ERC20", token.address).functions.decimals().call()
            for symbol, token in built.tokens.items()
        }
        assert decimals == {"WBTC": 8, "wstETH": 18, "XAUt": 6, "sDAI": 18, "WETH": 18, "USDC": 6}
        held = {asset[0].lower() for asset in built.registry.functions.assets().call()}
        assert held == {built.tokens[symbol].address.lower() for symbol in ("USDC", *all_weather.SYMBOLS)}


def test_the_dollar_is_a_share_whose_feed_publishes_its_rate() -> None:
    market = all_weather.load(UniverseName.ALL_WEATHER, None, None)
    with local_chain.running(market, lambda _: None) as (_, built):
        share = contract_at(built.w3, "SavingsToken", built.tokens["sDAI"].address).functions
        dollar = contract_at(built.w3, "ERC20", share.asset().call()).functions
        assert dollar.symbol().call() == "DAI"
        assert built.spot("sDAI") == pytest.approx(share.convertToAssets(WAD).call() / WAD, rel=1e-7)
        before = built.spot("sDAI")
        built.pass_time(30 * 86_400)
        rate = share.convertToAssets(WAD).call()
        assert rate / WAD / before - 1 == pytest.approx(all_weather.DOLLAR_YIELD * 30 / 365, rel=1e-3)
        assert built.spot("sDAI") == pytest.approx(rate / WAD, rel=1e-5)
        saver = built.accounts[5]
        built.fund("sDAI", saver, 1_000 * WAD)
        assert dollar.balanceOf(built.tokens["sDAI"].address).call() >= share.totalAssets().call()
        send(built.w3, share.redeem(1_000 * WAD, saver, saver), saver)
        assert dollar.balanceOf(saver).call() / WAD == pytest.approx(1_000 * rate / WAD, rel=1e-6)
