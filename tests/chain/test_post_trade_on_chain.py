"""After a real rebalance by the real command: what is checked, what its swaps returned, and what is learned from it."""

from __future__ import annotations

from typing import Any

import pytest

from keeper.devnet.anvil import rpc
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at, send
from keeper.planning.checks import POST_TRADE_CHECKS
from tests.chain.keeper_command import Ended, Run

EXECUTE = ("rebalance", "--execute", "--json")
HOUR = 3_600


def found(ended: Ended) -> dict[str, Any]:
    return {check["name"]: check for check in ended.json()["post_trade"]}


def test_everything_holds_after_a_rebalance_and_every_leg_is_told(keeper: Run, chain: LocalChain) -> None:
    ended = keeper(*EXECUTE)
    assert ended.code == 0, ended.out
    assert list(found(ended)) == list(POST_TRADE_CHECKS)
    assert all(check["passed"] for check in found(ended).values())
    told = ended.json()
    swaps = [step for step in told["plan"]["steps"] if step["kind"] == "SWAP_EXACT_IN"]
    assert len(told["executed_swaps"]) == len(swaps) >= 4
    for leg, step in zip(told["executed_swaps"], swaps, strict=True):
        assert leg["route"] == step["route"]
        assert leg["simulated_out"] == leg["realised_out"]  # the very next block, and nobody else there
        assert leg["quoted_out"] == step["expected_out"]
        assert 0 < leg["fees_bps"] < leg["realised_bps"] < 60
    assert told["remaining"] >= 0
    assert told["benefit_usd"] > 0


def test_what_it_cost_is_learned_by_the_next_cycle_and_replays_to_the_same_bits(
    keeper: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPER_DECISION__POOL_COSTS", "false")
    first = keeper(*EXECUTE).json()
    assert all(one["trades"] == 0 and one["expected_bps"] == 40.0 for one in first["trade_costs"])
    chain.set_price("UNI", chain.spot("UNI") * 1.4)
    chain.pass_time(HOUR + 100)
    shown = keeper("rebalance", "--execute")
    assert "Trading costs, bps of value" in shown.out
    assert "Checks after the transaction was mined" in shown.out
    newest = keeper("journal", "list", "--json").json()["records"][0]["record_id"]
    second = keeper("journal", "show", newest, "--json").json()
    costs = {one["symbol"]: one for one in second["trade_costs"]}
    assert all(one["trades"] >= 1 for one in costs.values())
    for one in costs.values():
        low, high = sorted((one["assumed_bps"], max(one["realised_bps"], one["fees_bps"])))
        assert max(low, one["fees_bps"]) <= one["expected_bps"] <= high
        assert one["expected_bps"] != one["assumed_bps"]
    replayed = keeper("replay", newest)
    assert (replayed.code, "same" in replayed.out) == (0, True)

    summary = {one["symbol"]: one for one in keeper("journal", "costs", "--json").json()["assets"]}
    executed_swaps = [*first["executed_swaps"], *second["executed_swaps"]]
    for symbol, one in summary.items():
        assert one["trades"] == sum(symbol in (leg["sold"], leg["bought"]) for leg in executed_swaps)
        assert one["fees_bps"] <= one["realised_bps"] <= one["worst_bps"]
        assert one["simulated_bps"] == pytest.approx(one["realised_bps"], abs=0.5)
    assert "WETH" in keeper("journal", "costs").out
    assert keeper("journal", "verify").code == 0


def test_experience_counts_beside_the_pools_depth_and_replays_to_the_same_bits(
    keeper: Run, chain: LocalChain
) -> None:
    keeper(*EXECUTE)
    chain.set_price("UNI", chain.spot("UNI") * 1.4)
    chain.pass_time(HOUR + 100)
    second = keeper(*EXECUTE).json()
    assert second["outcome"] == "SENT"
    for one in second["trade_costs"]:
        assert one["source"] == "pools"
        assert one["trades"] >= 1
        assert one["fees_bps"] <= one["linear_bps"] < one["expected_bps"]
    assert keeper("replay", second["record_id"][:12]).code == 0


def test_the_settings_keep_to_the_assumption(
    keeper: Run, chain: LocalChain, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper(*EXECUTE)
    monkeypatch.setenv("KEEPER_DECISION__LEARN_COSTS", "false")
    monkeypatch.setenv("KEEPER_DECISION__POOL_COSTS", "false")
    costs = keeper("rebalance", "--simulate", "--json").json()["trade_costs"]
    assert all(one["trades"] >= 1 and one["expected_bps"] == 40.0 for one in costs)


def test_an_allowance_that_is_left_halts_with_exit_code_7(keeper: Run, chain: LocalChain) -> None:
    """Put there from outside: the vault's own code leaves none, and closes only what it used itself."""
    account, url = chain.account.address, chain.deployment.rpc_url
    rpc(url, "anvil_impersonateAccount", account)
    rpc(url, "anvil_setBalance", account, hex(10**18))
    approve = contract_at(chain.w3, "ERC20", chain.tokens["USDC"].address).functions.approve(
        chain.pool.address, 7
    )
    send(chain.w3, approve, account)
    ended = keeper(*EXECUTE)
    assert ended.code == 7, ended.out
    assert found(ended)["no_allowance_left"]["passed"] is False
    assert ended.json()["error"]["name"] == "PostStateUnexpected"
    assert "7 of USDC" in ended.json()["reason"]
    assert chain.rebalancer.functions.state().call()[0] == 1
    assert keeper("journal", "costs", "--json").json()["assets"]  # the swaps were made all the same
