"""All is well on the local chain; each thing that an operator gets wrong turns its own line, and no other."""

from __future__ import annotations

import math
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from eth_abi.abi import encode

from keeper.devnet.anvil import free_port, rpc
from keeper.devnet.local_chain import LocalChain
from keeper.doctor.examine import CHECKS
from tests.chain.emode_category import make_category
from tests.chain.keeper_command import Run
from tests.chain.vault_scene import BORROW, NO_ADDRESS, RISKY, SUPPLY, scene_on

WEI = 10**18
LOSS_USED, LOSS_PER_BPS = 7, 10**5
"""Place of the loss in Rebalancer.state(), and its unit: parts of NAV in 1e-9."""
Wrong = Callable[[LocalChain, pytest.MonkeyPatch, Run], None]


def marks(keeper: Run) -> dict[str, str]:
    return {one["name"]: one["status"] for one in keeper("doctor", "--json").json()["checks"]}


def not_ok(keeper: Run) -> set[str]:
    return {name for name, mark in marks(keeper).items() if mark != "OK"}


def rules(keeper: Run) -> dict[str, str]:
    """The line of what the vault refuses."""
    checks: list[dict[str, str]] = keeper("doctor", "--json").json()["checks"]
    return next(line for line in checks if line["name"] == "vault's rules")


def wrong(keeper: Run) -> set[str]:
    return {name for name, mark in marks(keeper).items() if mark == "FAILED"}


@pytest.mark.usefixtures("no_journal")
def test_all_is_well_on_the_local_chain(keeper: Run) -> None:
    assert not_ok(keeper) == {"journal"}  # nothing has run yet
    keeper("seal")
    ended = keeper("doctor")
    assert ended.code == 0, ended.out
    assert sum(line.startswith("✓") for line in ended.out.splitlines()) == len(CHECKS), ended.out


def test_a_days_limit_that_is_nearly_used_is_worth_a_look(keeper: Run, chain: LocalChain) -> None:
    assert keeper("rebalance", "--execute").code == 0
    assert set(marks(keeper).values()) == {"OK"}
    used = chain.rebalancer.functions.state().call()[LOSS_USED] / LOSS_PER_BPS
    limit = math.ceil(used)
    scene_on(chain).set_policy(daily_loss_bps=limit, max_loss_bps=limit)
    assert not_ok(keeper) == {"vault's rules"}
    line = rules(keeper)
    assert f"of NAV lost in 24 hours, at most {limit / 1e4:.2%}" in line["detail"], line
    assert line["detail"].startswith("WindowExhausted"), line
    assert "comes back after 24 to 32 hours" in line["remedy"]


def test_after_an_emergency_it_says_how_long_nothing_is_borrowed(keeper: Run, chain: LocalChain) -> None:
    scene = scene_on(chain)
    scene.lever(1.6)
    for symbol in RISKY:
        chain.set_price(symbol, 0.58 * chain.spot(symbol))
    sold = round(10_000 / scene.price("WETH") * WEI)
    steps = [scene.withdraw("WETH", sold), scene.sell(sold, "WETH", 500, "USDC"), scene.repay()]
    scene.send(scene.deleverage(steps), scene.people.keeper)
    line = rules(keeper)
    assert line["status"] == "WARNING", line
    assert "LeveringClosed: after an emergency nothing is borrowed for 2" in line["detail"]


def test_a_price_that_the_vault_refuses_is_named_with_what_may_still_be_done(
    keeper: Run, chain: LocalChain
) -> None:
    scene = scene_on(chain)
    feed = scene.loose_feed("LINK")
    scene.set_feed(feed, round(1.02e8 * scene.price("LINK")), scene.now())
    line = rules(keeper)
    assert line["status"] == "WARNING", line
    assert "PriceRefused: the prices of LINK" in line["detail"]
    assert "A deleverage may sell it." in line["remedy"]


def test_an_account_beside_the_first_is_named_with_its_health(keeper: Run, chain: LocalChain) -> None:
    scene, registry = scene_on(chain), chain.registry.functions
    data = encode(["address", "uint8"], [scene.account_implementation(), 0])
    scene.send(registry.propose(2, data), scene.people.admin)
    chain.pass_time(2 * 86_400)
    scene.send(registry.activate(2, data), scene.people.stranger)
    supply = (SUPPLY, 1, scene.address("USDC"), NO_ADDRESS, 10**9, 0)
    borrow = (BORROW, 1, scene.address("USDC"), NO_ADDRESS, 10**8, 0)
    scene.send(scene.rebalance([supply, borrow]), scene.people.keeper)
    lines = {line["name"]: line for line in keeper("doctor", "--json").json()["checks"]}
    assert "account 1 on Aave V3: health factor 8." in lines["lending market"]["detail"]
    assert lines["assets"]["status"] == "OK", lines["assets"]


def _dead_node(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    change.setenv("KEEPER_RPC_URL", f"http://127.0.0.1:{free_port()}")


def _wrong_chain(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    rpc(chain.deployment.rpc_url, "anvil_setChainId", 31_338)


def _wrong_vault(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    change.setenv("KEEPER_VAULT", chain.deployment.accounts["stranger"])


def _misspelt(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    change.setenv("KEEPER_SIZE__TARGET_VOLATILITY", "80")


def _no_role(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    accounts = chain.deployment.accounts
    chain.registry.functions.removeKeeper().transact({"from": accounts["guardian"]})


def _no_gas(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    rpc(chain.deployment.rpc_url, "anvil_setBalance", chain.deployment.accounts["keeper"], hex(WEI // 10))


def _paused(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    chain.registry.functions.pause().transact({"from": chain.deployment.accounts["guardian"]})


def _stale(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    rpc(chain.deployment.rpc_url, "evm_increaseTime", 3 * 3_600)
    chain.mine()


def _looser(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    change.setenv("KEEPER_SIZE__MAX_LEVERAGE", "5")


def _no_options(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    change.setenv("KEEPER_DERIBIT_URL", f"http://127.0.0.1:{free_port()}")


def _another_feed(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    change.setenv("KEEPER_ORACLE__FEEDS", '[{"symbol": "WETH", "description": "STETH / USD"}]')


def _exchange_of_another_asset(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    change.setenv("KEEPER_ORACLE__VENUES", '["coinbase"]')
    change.setenv("KEEPER_ORACLE__FEEDS", '[{"symbol": "LINK", "reference": "UNI"}]')


def _quorum_of_the_dead(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    change.setenv("KEEPER_RPC_URL", f"{chain.deployment.rpc_url},{dead}")


def _no_price_of_gas(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    change.setenv("KEEPER_NATIVE_FEED", chain.deployment.tokens["WBTC"].address)  # 8 decimals, and no feed


def _short_history(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    change.setenv("KEEPER_ESTIMATE__HISTORY_S", str(365 * 86_400))
    change.setenv("KEEPER_ESTIMATE__MIN_BARS", "8000")


def _tampered(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    assert keeper("rebalance", "--execute").code == 0
    with closing(sqlite3.connect(Path("keeper.db"))) as raw, raw:
        raw.execute("UPDATE records SET outcome = 'HELD'")


def _unsealed(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    assert keeper("seal").code == 0
    change.setenv("KEEPER_SIZE__TARGET_VOLATILITY", "0.7")


def _key_missing(chain: LocalChain, change: pytest.MonkeyPatch, keeper: Run) -> None:
    change.setenv("KEEPER_KEYSTORE", "nowhere.json")


@pytest.mark.parametrize(
    ("mistake", "line", "code"),
    [
        (_misspelt, "settings", 2),
        (_key_missing, "key", 2),
        (_tampered, "journal", 7),
        (_unsealed, "seal", 7),
        (_dead_node, "node", 3),
        (_quorum_of_the_dead, "node", 3),
        (_another_feed, "contracts", 2),
        (_exchange_of_another_asset, "feeds", 4),
        (_wrong_chain, "chain id", 2),
        (_wrong_vault, "contracts", 2),
        (_paused, "vault's rules", 5),
        (_no_role, "vault's rules", 5),
        (_no_gas, "gas", 5),
        (_looser, "policy", 5),
        (_no_price_of_gas, "native coin", 4),
        (_short_history, "history", 4),
        (_no_options, "implied volatility", 3),
    ],
)
def test_one_mistake_turns_one_line(
    keeper: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch, mistake: Wrong, line: str, code: int
) -> None:
    mistake(chain, monkeypatch, keeper)
    try:
        assert wrong(keeper) == {line}
        ended = keeper("doctor")
        assert ended.code == code
        assert f"✗ {line}" in ended.out
    finally:
        rpc(chain.deployment.rpc_url, "anvil_setChainId", 31_337)


def test_stale_feeds_leave_gas_without_a_price_too(
    keeper: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    _stale(chain, monkeypatch, keeper)
    assert wrong(keeper) == {"feeds", "native coin"}
    assert keeper("doctor").code == 4


def test_a_pause_is_worth_a_look_and_not_wrong(keeper: Run) -> None:
    keeper("seal")
    keeper("pause", "--reason", "holiday")
    ended = keeper("doctor")
    assert ended.code == 0
    assert "! pause" in ended.out
    assert "holiday" in ended.out


def test_a_category_that_would_help_is_worth_a_look_with_both_health_factors(
    keeper: Run, chain: LocalChain
) -> None:
    assert keeper("rebalance", "--execute").code == 0
    make_category(chain, 3, "ETH against USDC", collateral="WETH")
    assert not_ok(keeper) == {"eMode"}
    ended = keeper("doctor", "--json")
    assert ended.code == 0
    line = next(one for one in ended.json()["checks"] if one["name"] == "eMode")
    promised = re.search(
        r"category 3 \(ETH against USDC\) .* factor of (\S+) instead of (\S+) ", line["detail"]
    )
    assert promised is not None, line
    assert "category 3" in line["remedy"]
    assert f"{factor(chain):.2f}" == promised[2]

    scene = scene_on(chain)
    scene.send(chain.portfolio.functions.setCategory(0, 3), scene.impersonated(chain.registry.address))
    assert f"{factor(chain):.2f}" == promised[1]
    assert set(marks(keeper).values()) == {"OK"}


def factor(chain: LocalChain) -> float:
    return float(chain.account.functions.healthFactor().call() / WEI)


def test_what_cannot_be_looked_at_says_what_it_needs(keeper: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEPER_RPC_URL", f"http://127.0.0.1:{free_port()}")
    out = keeper("doctor").out
    assert "– feeds" in out
    assert "needs: contracts" in out
