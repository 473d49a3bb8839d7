"""All debt repaid by the real command: the sales return exactly what is owed, at the real pools."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import contract_at
from keeper.devnet.vault_reading import read_vault
from keeper.planning.checks import POST_TRADE_CHECKS
from tests.chain.keeper_command import Run
from tests.chain.vault_scene import WINDOW_S, Scene, scene_on

EXECUTE, ALL_DEBT = ("rebalance", "--execute", "--json"), ("deleverage", "--execute", "--json")
SLIPPAGE = 0.01


def swaps(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [step for step in told["plan"]["steps"] if step["kind"].startswith("SWAP")]


def test_all_debt_is_repaid_by_selling_just_what_is_owed(
    keeper: Run, chain: LocalChain, show: Callable[[str], None]
) -> None:
    assert keeper(*EXECUTE).code == 0
    chain.pass_time(WINDOW_S)
    before = read_vault(chain)
    shown = keeper("deleverage", "--simulate")
    assert "swap, exact out" in shown.out
    ended = keeper(*ALL_DEBT)
    told, after = ended.json(), read_vault(chain)
    assert (ended.code, told["outcome"]) == (0, "SENT"), ended.out
    assert after.debt_usd == 0
    assert {step["kind"] for step in swaps(told)} == {"SWAP_EXACT_OUT", "SWAP_EXACT_IN"}
    for step in swaps(told):
        assert (step["kind"] == "SWAP_EXACT_OUT") == (len(step["route"]["fees"]) == 1)
    checks = {check["name"]: check["passed"] for check in told["post_trade"]}
    assert checks == {name: True for name in POST_TRADE_CHECKS if name != "risk_spread_improved"}

    # What the pools and the loan took is sold as well, what interest might still have been added, and for a sale
    # through two pools what slippage is allowed.
    sold, by_size = (
        sum(leg["value_usd"] for leg in told["executed_swaps"]),
        before.debt_usd * 1.0005 / (1 - SLIPPAGE),
    )
    assert before.debt_usd * 0.998 < sold < before.debt_usd * 1.008
    # The buffer as it was, and what sales through two pools returned above their minimum.
    assert before.cash_usd - 1.0 < after.cash_usd < before.cash_usd + 0.008 * before.debt_usd
    assert by_size - sold > 0.003 * before.debt_usd
    show(f"{before.debt_usd:,.0f} USD of debt needed sales of {sold:,.0f} USD instead of {by_size:,.0f}")


def test_its_legs_cost_what_was_paid_and_the_journal_replays(keeper: Run, chain: LocalChain) -> None:
    keeper(*EXECUTE)
    chain.pass_time(WINDOW_S)
    told = keeper(*ALL_DEBT).json()
    assert len(told["executed_swaps"]) == len(swaps(told)) >= 4
    for leg, step in zip(told["executed_swaps"], swaps(told), strict=True):
        if step["kind"] == "SWAP_EXACT_OUT":
            assert leg["realised_out"] == step["amount"] == step["expected_out"]
            assert int(step["expected_in"]) < int(step["limit"]) < 1.06 * int(step["expected_in"])
        assert leg["simulated_out"] == leg["realised_out"]  # the very next block, and nobody else there
        assert int(leg["quoted_out"]) == pytest.approx(int(leg["realised_out"]), rel=1e-4)
        assert leg["realised_bps"] < leg["fees_bps"] + 12
        decimals, price = (8, "WBTC") if leg["sold"] == "WBTC" else (18, leg["sold"])
        paid_usd = int(step["expected_in"]) / 10**decimals * chain.spot(price)
        assert leg["value_usd"] == pytest.approx(paid_usd, rel=2e-3)
    costs = {one["symbol"]: one for one in keeper("journal", "costs", "--json").json()["assets"]}
    for one in costs.values():
        assert one["trades"] >= 2
        assert abs(one["realised_bps"] - one["quoted_bps"]) < 1
        assert one["realised_bps"] == pytest.approx(one["simulated_bps"], abs=0.5)
        assert one["worst_bps"] < 60
    newest = keeper("journal", "list", "--json").json()["records"][0]["record_id"]
    replayed = keeper("replay", newest)
    assert (replayed.code, "same" in replayed.out) == (0, True)
    assert re.search(r"WETH\s", keeper("journal", "costs").out)
    assert keeper("journal", "verify").code == 0


def test_what_was_not_sold_is_supplied_by_the_next_rebalance(keeper: Run, chain: LocalChain) -> None:
    keeper(*EXECUTE)
    chain.pass_time(WINDOW_S)
    keeper(*ALL_DEBT)
    weth = contract_at(chain.w3, "ERC20", chain.w3.to_checksum_address(chain.tokens["WETH"].address))
    assert weth.functions.balanceOf(chain.portfolio.address).call() > 0
    chain.pass_time(WINDOW_S)
    again = keeper(*EXECUTE).json()
    assert again["outcome"] == "SENT", again["reason"]
    assert weth.functions.balanceOf(chain.portfolio.address).call() == 0
    assert read_vault(chain).leverage > 1.0


@pytest.fixture
def scene(chain: LocalChain) -> Scene:
    return scene_on(chain)


@pytest.mark.parametrize(
    "route",
    [("WETH", 500, "USDC"), ("WBTC", 500, "USDC"), ("LINK", 3_000, "WETH", 500, "USDC")],
    ids=lambda route: "-".join(str(part) for part in route),
)
def test_an_output_never_costs_more_than_the_amount_that_returns_it(
    scene: Scene, route: tuple[str | int, ...]
) -> None:
    """To the unit, whatever the size: what makes an exact output no less certain than a sale by size."""
    quoter = contract_at(scene.w3, "QuoterV2", scene.uniswap.quoter)
    there, back = scene.path(*route), scene.path(*route[::-1])
    whole = 10 ** (8 if route[0] == "WBTC" else 18)
    for amount in (whole // 9_999, whole // 7, whole, 13 * whole + 1, 200 * whole + 3):
        returned = int(quoter.functions.quoteExactInput(there, amount).call()[0])
        for asked in {returned, returned * 97 // 100} - {0}:
            paid = int(quoter.functions.quoteExactOutput(back, asked).call()[0])
            assert paid <= amount
