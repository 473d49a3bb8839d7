"""All debt repaid by the real command: sales that return exactly what is owed, at the real pools."""

from __future__ import annotations

import json
from typing import Any

from keeper.devnet.look import look
from keeper.devnet.world import World
from keeper.planning.checks import AFTERMATH
from tests.chain.test_keeper_command import Run, keeper

__all__ = ["keeper"]


def sold_usd(told: dict[str, Any]) -> float:
    return sum(leg["value_usd"] for leg in told["legs"])


def test_measure(keeper: Run, chain: World) -> None:
    assert keeper("rebalance", "--execute").code == 0
    before = look(chain)
    ended = keeper("deleverage", "--execute", "--json")
    after = look(chain)
    told = ended.json()
    print("debt", before.debt_usd, "cash", before.cash_usd, "sold", sold_usd(told), "after", after)
    print(json.dumps(told["legs"]))
    print(told["plan"]["cost_usd"])
