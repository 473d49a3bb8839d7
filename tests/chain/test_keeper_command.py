"""The keeper as its operator runs it, against a fork of the local chain: what it prints, what it sends, how it ends."""

from __future__ import annotations

import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from web3.types import RPCEndpoint

from keeper.devnet import local_chain as devnet
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import read_vault
from tests.chain.keeper_command import Run, outside_of, run_once
from tests.chain.vault_scene import scene_on

MAKEFILE = Path(__file__).parents[2] / "Makefile"
UNTOUCHED = 0
HOUR = 3_600


def files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("no_journal")
def test_simulating_shows_the_whole_decision_and_changes_nothing(
    keeper: Run, chain: LocalChain, tmp_path: Path
) -> None:
    before, block = files(tmp_path), chain.w3.eth.block_number
    ended = keeper("rebalance", "--simulate")
    assert ended.code == 0
    for word in (
        "WBTC",
        "WETH",
        "LINK",
        "UNI",
        "NAV",
        "leverage",
        "health factor",
        "bound by",
        "gas",
        "benefit",
        "REBALANCE",
    ):
        assert word in ended.out or word == "benefit"
    assert files(tmp_path) == before
    assert chain.w3.eth.block_number == block
    assert chain.rebalancer.functions.state().call()[0] == UNTOUCHED


def test_the_json_object_has_every_promised_key(keeper: Run) -> None:
    answer = keeper("rebalance", "--simulate", "--json").json()
    assert {
        "action", "reason", "block", "nav_usd", "leverage", "target_leverage", "binding", "health_factor", "volatility",
        "target_volatility", "assets", "covariance", "gates", "plan", "simulation", "rpc_round_trips",
    } <= set(answer)  # fmt: skip
    assert {"number", "hash", "timestamp"} <= set(answer["block"])
    assert {"symbol", "price_usd", "price_age_s", "volatility", "weight", "target_weight", "risk_share",
            "target_risk_share", "budget"} <= set(answer["assets"][0])  # fmt: skip
    assert {"historical", "implied", "blended"} == set(answer["assets"][0]["volatility"])
    assert {"name", "value", "limit", "passed", "urgency"} <= set(answer["gates"][0])
    assert {"gas", "fees", "slippage", "flash"} <= set(answer["plan"]["cost_usd"])
    assert {"success", "revert", "gas", "nav_usd", "leverage", "health_factor", "weights"} <= set(
        answer["simulation"]
    )
    assert len(answer["covariance"]["matrix"]) == len(answer["covariance"]["symbols"]) == 4


def test_executing_brings_the_chain_to_the_target_and_a_second_run_holds(
    keeper: Run, chain: LocalChain
) -> None:
    before = read_vault(chain)
    first = keeper("rebalance", "--execute", "--json")
    after = read_vault(chain)
    target = first.json()
    assert (first.code, target["action"]) == (0, "REBALANCE")
    assert after.epoch == 1
    assert after.leverage == pytest.approx(target["target_leverage"], rel=0.02)
    assert after.nav_usd >= before.nav_usd * (1 - 75e-4)
    for asset in target["assets"]:
        assert after.weights[asset["symbol"]] == pytest.approx(asset["target_weight"], abs=0.01)
    second = keeper("rebalance", "--execute", "--json")
    assert (second.code, second.json()["action"]) == (0, "HOLD")
    assert read_vault(chain).epoch == 1


def test_a_move_of_the_most_volatile_asset_makes_it_trade_again(keeper: Run, chain: LocalChain) -> None:
    assert keeper("rebalance", "--execute").code == 0
    chain.set_price("UNI", chain.spot("UNI") * 1.4)
    chain.pass_time(32 * HOUR)  # the vault's limits on a day are free again
    assert keeper("rebalance", "--execute", "--json").json()["action"] == "REBALANCE"
    assert read_vault(chain).epoch == 2


def test_a_record_of_the_journal_replays_to_the_same_bits(keeper: Run) -> None:
    keeper("rebalance", "--execute")
    listed = keeper("journal", "list", "--json").json()["records"]
    assert [record["outcome"] for record in listed] == ["SENT"]
    replayed = keeper("replay", listed[0]["record_id"][:12])
    assert (replayed.code, "same" in replayed.out) == (0, True)
    assert keeper("journal", "verify").code == 0
    assert "REBALANCE" in keeper("journal", "show", listed[0]["record_id"]).out


def test_a_journal_of_another_chain_is_not_believed(keeper: Run, chain: LocalChain, tmp_path: Path) -> None:
    assert keeper("rebalance", "--execute").code == 0
    with closing(sqlite3.connect(tmp_path / "keeper.db")) as journal:
        newest = "SELECT max(updated_at) FROM rounds WHERE symbol = 'WETH'"
        journal.execute(f"UPDATE rounds SET answer = '1' WHERE symbol = 'WETH' AND updated_at = ({newest})")
        journal.commit()
    ended = keeper("rebalance", "--simulate")
    assert ended.code == 7
    assert "start a new" in ended.out + ended.err


def test_without_either_word_it_explains_itself(keeper: Run, chain: LocalChain) -> None:
    ended = keeper("rebalance")
    assert ended.code == 2
    assert "--simulate" in ended.err
    assert "--execute" in ended.err


def test_a_stale_feed_holds_the_trade_back_and_is_named(keeper: Run, chain: LocalChain) -> None:
    chain.w3.provider.make_request(RPCEndpoint("evm_increaseTime"), [2 * HOUR])
    chain.w3.provider.make_request(RPCEndpoint("evm_mine"), [])
    ended = keeper("rebalance", "--execute", "--json")
    assert ended.code == 4
    (gate,) = [gate for gate in ended.json()["gates"] if gate["name"] == "prices_fresh"]
    assert not gate["passed"]
    assert chain.rebalancer.functions.state().call()[0] == UNTOUCHED


def test_settings_looser_than_the_vaults_policy_do_not_raise_risk(keeper: Run, chain: LocalChain) -> None:
    scene_on(chain).set_policy(max_leverage=10**18)
    ended = keeper("rebalance", "--execute", "--json")
    assert ended.code == 5
    (gate,) = [gate for gate in ended.json()["gates"] if gate["name"] == "settings_within_vault"]
    assert not gate["passed"]
    assert "max_leverage" in ended.json()["reason"]
    assert chain.rebalancer.functions.state().call()[0] == UNTOUCHED


def test_a_wrong_vault_address_is_named(keeper: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_VAULT", "0x" + "12" * 20)
    ended = keeper("rebalance", "--execute")
    assert ended.code == 2
    assert "vault" in ended.err.lower()


def test_another_chain_id_is_refused(keeper: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch) -> None:
    chain.w3.provider.make_request(RPCEndpoint("anvil_setChainId"), [31_338])
    ended = keeper("rebalance", "--execute")
    chain.w3.provider.make_request(RPCEndpoint("anvil_setChainId"), [31_337])
    assert ended.code == 2
    assert "31338" in ended.err + ended.out
    assert chain.rebalancer.functions.state().call()[0] == UNTOUCHED


def test_a_node_that_is_gone_is_said_so(
    keeper: Run, world: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    with devnet.forked(world) as (node, _):
        gone = node.url
    monkeypatch.setenv("KEEPER_RPC_URL", gone)
    ended = keeper("rebalance", "--execute")
    assert ended.code == 3
    assert "KEEPER_RPC_URL" in ended.err + ended.out


def test_a_daemon_without_live_records_its_dry_run_and_sends_nothing(
    keeper: Run, chain: LocalChain, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [Path(sys.executable).with_name("keeper"), "run", "--every", "1h"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as daemon:
        assert daemon.stderr is not None
        said = next(line for line in daemon.stderr if "would_send" in line)
        daemon.send_signal(signal.SIGINT)
        assert daemon.wait(60) == 0
    assert '"dry_run": true' in said
    assert chain.rebalancer.functions.state().call()[0] == UNTOUCHED
    assert keeper("journal", "list", "--json").json()["records"][0]["mode"] == "dry-run"


def test_status_and_configuration_show_no_secret(keeper: Run, chain: LocalChain) -> None:
    keeper("seal")
    for command in (("status",), ("config", "show"), ("config", "show", "--json")):
        ended = keeper(*command)
        assert ended.code == 0
        assert chain.deployment.private_key not in ended.out + ended.err


def test_an_outage_of_the_option_market_does_not_raise_leverage(
    keeper: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leverage() -> float:
        return float(keeper("rebalance", "--simulate", "--json").json()["target_leverage"])

    before = keeper("rebalance", "--execute", "--json").json()
    implied = {asset["symbol"]: asset["volatility"] for asset in before["assets"]}
    assert implied["WETH"]["implied"] > implied["WETH"]["historical"]
    monkeypatch.setenv("KEEPER_DERIBIT_URL", "http://127.0.0.1:9")
    assert leverage() <= before["target_leverage"] * 1.001


def test_an_overdue_routine_trade_pays_what_its_gate_allowed_it(
    keeper: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A vault that was never rebalanced is overdue, so routine may pay the gas price of out_of_band: also when sending."""
    monkeypatch.setenv("KEEPER_DECISION__OUT_OF_BAND", "1.0")
    monkeypatch.setenv("KEEPER_DECISION__URGENCY__ROUTINE__MAX_GAS_PRICE_GWEI", "0.000001")
    ended = keeper("rebalance", "--execute", "--json")
    assert ended.code == 0
    assert {gate["urgency"] for gate in ended.json()["gates"] if gate["name"] == "gas_price"} == {"ROUTINE"}
    assert read_vault(chain).epoch == UNTOUCHED + 1


def test_implied_volatility_is_shown_with_the_expiries_that_it_came_from(keeper: Run) -> None:
    told = keeper("data", "iv", "--json").json()
    for one in told["underlyings"]:
        near, far = one["expiries"]
        assert near["weight"] + far["weight"] == pytest.approx(1.0)
        horizon, days = told["horizon_s"] / 86_400, (near["days"], far["days"])
        assert days[0] < horizon <= days[1]
        variance = sum(used["weight"] * used["volatility"] ** 2 * used["days"] for used in (near, far))
        assert one["book_volatility"] == pytest.approx((variance / horizon) ** 0.5)
        assert one["volatility"] == one["book_volatility"]
    shown = keeper("data", "iv")
    assert shown.code == 0
    assert "at the money" in shown.out


def test_a_campaigns_numbers_are_no_settings_of_the_command_that_prepares_it(
    chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = set(re.findall(r"KEEPER_[A-Z_]+(?==)", MAKEFILE.read_text(encoding="utf-8")))
    assert {"KEEPER_KILLS", "KEEPER_SEED"} < numbers
    for name in numbers:
        monkeypatch.setenv(name, "1")
    with outside_of(chain, tmp_path):
        run_once(tmp_path, "config", "show")
