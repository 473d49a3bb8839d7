"""Feeds, exchanges and pools that misbehave, and what the keeper makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from keeper.devnet.local_chain import LocalChain
from keeper.devnet.transactions import deployed, send
from tests.chain.keeper_command import Ended, Run
from tests.chain.vault_scene import scene_on

EXECUTE = ("rebalance", "--execute", "--json")
NO_GAS_CHEAP_ENOUGH = "0.001"


def gates(ended: Ended) -> dict[str, bool]:
    return {gate["name"]: gate["passed"] for gate in ended.json()["gates"]}


def asset(ended: Ended, symbol: str) -> dict[str, Any]:
    return next(one for one in ended.json()["assets"] if one["symbol"] == symbol)


def held_by(keeper: Run, chain: LocalChain, gate: str) -> Ended:
    """Leverage was wanted and not raised."""
    before = chain.rebalancer.functions.state().call()[0]
    ended = keeper(*EXECUTE)
    assert ended.code == 4, ended.out
    assert gates(ended)[gate] is False
    assert chain.rebalancer.functions.state().call()[0] == before
    return ended


def levers(keeper: Run, chain: LocalChain) -> Ended:
    before = chain.rebalancer.functions.state().call()[0]
    ended = keeper(*EXECUTE)
    assert ended.json()["outcome"] == "SENT", ended.out
    assert chain.rebalancer.functions.state().call()[0] == before + 1
    return ended


def looks_once(keeper: Run, change: pytest.MonkeyPatch) -> Ended:
    """A cycle that trades nothing, and remembers what it saw."""
    with change.context() as alone:
        for urgency in ("ROUTINE", "OUT_OF_BAND"):
            alone.setenv(f"KEEPER_DECISION__URGENCY__{urgency}__MAX_GAS_PRICE_GWEI", NO_GAS_CHEAP_ENOUGH)
        ended = keeper(*EXECUTE)
    assert ended.json()["outcome"] == "HELD"
    return ended


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No exchange is asked, so the feed is the only one that knows."""
    monkeypatch.setenv("KEEPER_ORACLE__VENUES", "[]")


@dataclass
class Unruly:
    """The vault's feed of one token, which says what it is told."""

    chain: LocalChain
    contract: Any
    answer: int

    def say(self, answer: int, round_number: int = 100, age: int = 0) -> None:
        at = self.chain.now() - age
        send(self.chain.w3, self.contract.functions.say(round_number, answer, at), self.chain.owner)

    def bound(self, least: int, most: int) -> None:
        send(self.chain.w3, self.contract.functions.bound(least, most), self.chain.owner)

    def say_always_now(self) -> None:
        send(self.chain.w3, self.contract.functions.sayAlwaysNow(100, self.answer), self.chain.owner)


@pytest.fixture
def unruly(chain: LocalChain, keeper: Run, monkeypatch: pytest.MonkeyPatch) -> Unruly:
    """WETH's, put into the vault's list by its admin once the keeper knows the history of the good one, which the lending
    market keeps."""
    looks_once(keeper, monkeypatch)
    contract = deployed(chain.w3, chain.owner, "UnrulyFeed", "ETH / USD")
    scene = scene_on(chain)
    max_age_s = scene.book.functions.feedOf(chain.tokens["WETH"].address).call()[1]
    made = Unruly(chain, contract, round(chain.spot("WETH") * 10**8))
    made.say(made.answer)
    scene.set_feed_of("WETH", contract.address, max_age_s)
    return made
