"""Plays a scenario: the market's blocks of a step, then a cycle of the keeper, until the path ends.

Each cycle is ``keeper rebalance --execute``: a keeper is put together from its settings, opens its journal, reads and
sends over RPC, and ends.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from eth_abi.abi import encode
from eth_utils.abi import function_signature_to_4byte_selector

from keeper.app.composition import build
from keeper.devnet.deribit_server import deribit_server
from keeper.devnet.exchange_server import exchange_server
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.own_settings import own_settings
from keeper.devnet.scenario.arbitrage import Arbitrageur
from keeper.devnet.scenario.blocks import BlockMaker, ChainCall
from keeper.devnet.scenario.borrowers import Debtor, Liquidator, indebted_people
from keeper.devnet.scenario.hours import HourRecord, ScenarioResult
from keeper.devnet.scenario.incidents import Incident
from keeper.devnet.scenario.lenders import Lenders
from keeper.devnet.scenario.path import ScenarioPath
from keeper.devnet.scenario.rounds import FeedAnswer, due_answers, rule_of
from keeper.domain.record import DecisionRecord, Mode
from keeper.domain.units import BPS, WAD
from keeper.recorded.table import HOUR
from keeper.settings.load import load
from keeper.settings.policy import policy

BLOCK_EVERY_S = 600
"""So far apart are the market's blocks. A pool's mean price over half an hour sees three of them."""
READ_AFTER_S = 24
"""So long after the step's last market block is the block that the keeper reads. A feed whose answers always have the
newest block's own time is one that the keeper doubts."""
VAULT = "the vault"
ARBITRAGEUR, LIQUIDATOR = 7, 8
"""Of the chain's development accounts; those before have roles."""
WRONG_BY = 3.0
"""A feed is wrong where it is off the market by more than this many times its deviation threshold."""
PUSH = function_signature_to_4byte_selector("push(int256,uint256)")
COIN = "WETH"
VENUES = '["coinbase", "binance", "deribit"]'
"""Kraken's client waits a second between two requests, by this machine's clock."""
GWEI = 10**9

Progress = Callable[[HourRecord], None]


@dataclass(slots=True)
class _Market:
    """The market around the vault: its clock, its feeds and those who act in it."""

    chain: LocalChain
    path: ScenarioPath
    incident: Incident
    blocks: BlockMaker
    arbitrageur: Arbitrageur
    liquidator: Liquidator
    lenders: Lenders
    last: dict[str, FeedAnswer]
    now: int
    answers: int = 0
    swaps: int = 0
    lowest_health: float = math.inf
    first: dict[str, float] = field(default_factory=dict)

    def hour_of(self, at: int) -> float:
        return (at - self.path.begins) / HOUR

    def prices(self, at: int) -> dict[str, float]:
        """The market's, USD."""
        return {symbol: self.path.price(symbol, at) for symbol in self.path.symbols}

    def _observed(self, symbol: str, at: int) -> float:
        """What its feed takes for the market's price."""
        hour, market = self.hour_of(at), self.path.price(symbol, at)
        return self.incident.feed_price(symbol, hour, market, first=self.first[symbol])

    def pass_step(self, until: int) -> None:
        """The market's blocks up to a Unix second, and one shortly after it."""
        self.answers = self.swaps = 0
        self.arbitrageur.look(self.blocks)
        self.lowest_health = math.inf
        for at in range(self.now + BLOCK_EVERY_S, until + 1, BLOCK_EVERY_S):
            for run in self.incident.runs:
                if (at - self.path.begins) % HOUR == 0:
                    self.lenders.act(run, (at - self.path.begins) // HOUR)
            self.now = at
            self._block(at)
        self._mine(until + READ_AFTER_S, [])

    def _block(self, at: int) -> None:
        usd = self.prices(at)
        calls = list(self._answers(at))
        self.answers += len(calls)
        swaps = self.arbitrageur.swaps(usd)
        self.swaps += len(swaps)
        self._mine(at, [*calls, *swaps])
        self.liquidator.liquidate(
            self.blocks, usd, lambda seizures: self._mine(at + READ_AFTER_S // 2, seizures)
        )

    def _mine(self, at: int, calls: Sequence[ChainCall]) -> list[bool]:
        succeeded = self.blocks.mine(at, self.path.base_fee(at), calls)
        vault = self.liquidator.health_factors(self.blocks)[0]
        self.lowest_health = min(self.lowest_health, vault)
        return succeeded

    def _answers(self, at: int) -> Iterator[ChainCall]:
        for symbol in self.path.symbols:
            for each in self._due(symbol, at):
                self.last[symbol] = each
                data = "0x" + (PUSH + encode(("int256", "uint256"), (each.units, each.at))).hex()
                yield ChainCall(self.chain.owner, self.chain.feeds.addresses[symbol], data)

    def _due(self, symbol: str, at: int) -> list[FeedAnswer]:
        last, recorded = self.last[symbol], self.path.recorded_rounds.get(symbol)
        if recorded is None:
            return list(
                due_answers(rule_of(symbol), last, lambda when: self._observed(symbol, when), until=at)
            )
        inside = (recorded.times > last.at) & (recorded.times <= at)
        pairs = zip(recorded.times[inside].tolist(), recorded.prices[inside].tolist(), strict=True)
        return [FeedAnswer(round(price * 1e8), when) for when, price in pairs]

    def wrong_feeds(self, at: int) -> tuple[str, ...]:
        return tuple(
            symbol
            for symbol, last in self.last.items()
            if abs(last.price / self.path.price(symbol, at) - 1.0) > WRONG_BY * rule_of(symbol).deviation
        )


@contextmanager
def _market(chain: LocalChain, path: ScenarioPath, incident: Incident) -> Iterator[_Market]:
    with closing(BlockMaker(chain.deployment.rpc_url)) as blocks:
        accounts = [str(account) for account in chain.accounts]
        blocks.enrich([accounts[0], accounts[ARBITRAGEUR], accounts[LIQUIDATOR]])
        usd = {symbol: path.price(symbol, path.begins) for symbol in path.symbols}
        arbitrageur = Arbitrageur(chain, accounts[ARBITRAGEUR], prices={})
        arbitrageur.prepare(usd)
        debtors = (Debtor(VAULT, chain.account.address), *indebted_people(chain, blocks, usd))
        liquidator = Liquidator(chain, accounts[LIQUIDATOR], debtors)
        liquidator.prepare()
        last = {
            symbol: FeedAnswer(
                round(path.start.last_price(symbol) * 1e8), int(path.start.price(symbol).times[-1])
            )
            for symbol in path.symbols
        }
        yield _Market(
            chain=chain,
            path=path,
            incident=incident,
            blocks=blocks,
            arbitrageur=arbitrageur,
            liquidator=liquidator,
            lenders=Lenders(chain, {}),
            last=last,
            now=path.begins,
            first=usd,
        )


@dataclass(frozen=True, slots=True)
class ScenarioTerms:
    """``step_s`` is the time between two cycles, ``title`` what the page says above it all; ``settings`` are variables
    of the environment that hold for the keeper."""

    title: str
    step_s: int
    settings: dict[str, str]


def play(
    chain: LocalChain,
    path: ScenarioPath,
    incident: Incident,
    *,
    terms: ScenarioTerms,
    folder: Path,
    progress: Progress = lambda _: None,
) -> ScenarioResult:
    """Lives through ``path`` with ``incident`` in it, on a chain that begins with the path. Journal and deployment file
    are in ``folder``."""
    with _market(chain, path, incident) as market, ExitStack() as stack:
        served = path.served()
        around = (served, lambda: market.now, lambda symbol: path.price(symbol, market.now))
        deployment = replace(
            chain.deployment,
            deribit_url=stack.enter_context(deribit_server(*around)),
            exchange_url=stack.enter_context(exchange_server(*around)),
        )
        deployment.write(folder / "deployment.json")
        stack.enter_context(own_settings(folder, {"KEEPER_ORACLE__VENUES": VENUES, **terms.settings}))
        held = policy(load())
        hours: list[HourRecord] = []
        for until in range(path.begins + terms.step_s, path.ends + 1, terms.step_s):
            hours.append(_step(market, until))
            progress(hours[-1])
    navs = [hour.nav_usd for hour in hours if hour.nav_usd is not None]
    return ScenarioResult(
        name=path.name,
        title=terms.title,
        begins=path.begins,
        ends=path.ends,
        step_s=terms.step_s,
        symbols=path.symbols,
        target_policy=held.size.target_volatility,
        act_health_factor=held.decision.act_health_factor,
        hours=tuple(hours),
        vault=VAULT,
        refused_liquidations=market.liquidator.refused,
        first_nav_usd=navs[0],
        last_nav_usd=navs[-1],
        left_out=tuple(f"{each.name}: {each.reason}" for each in path.start.left_out),
        notes=path.notes,
    )


def _step(market: _Market, until: int) -> HourRecord:
    began = time.monotonic()
    seized = len(market.liquidator.liquidated)
    market.pass_step(until)
    before = market.liquidator.health_factors(market.blocks)[0]
    with build(load(), Mode.EXECUTE, ask_password=str) as keeper:
        record = keeper.cycle(Mode.EXECUTE)
    after = market.liquidator.health_factors(market.blocks)[0]
    return replace(
        _hour(record, market, until),
        health_factor=before,
        health_after=after,
        lowest_health=min(market.lowest_health, before, after),
        liquidated=tuple(market.liquidator.liquidated[seized:]),
        seconds=time.monotonic() - began,
    )


def _hour(record: DecisionRecord, market: _Market, until: int) -> HourRecord:
    """Without what the market itself counts."""
    inputs, conclusions, receipt = record.inputs, record.conclusions, record.receipt
    held = inputs.held if inputs is not None else None
    target = conclusions.target if conclusions is not None else None
    decision = conclusions.decision if conclusions is not None else None
    plan = conclusions.plan if conclusions is not None else None
    swaps = record.executed_swaps
    gas_wei = receipt.gas_used * receipt.effective_gas_price_wei if receipt is not None else 0
    pause_state = inputs.pause_state if inputs is not None else None
    return HourRecord(
        at=until + READ_AFTER_S,
        prices=market.prices(until),
        feed_prices={symbol: last.price for symbol, last in market.last.items()},
        base_fee_gwei=market.path.base_fee(until) / GWEI,
        nav_usd=held.nav_usd if held is not None else None,
        leverage=held.leverage if held is not None else None,
        weights=dict(zip(held.symbols, held.weights, strict=True)) if held is not None else {},
        target_leverage=target.leverage if target is not None else None,
        target_volatility=target.volatility if target is not None else None,
        binding=target.binding if target is not None else "",
        survivable_fall=inputs.drill.survivable_fall
        if inputs is not None and inputs.drill is not None
        else None,
        health_factor=math.nan,
        health_after=math.nan,
        lowest_health=math.nan,
        action=decision.action.value if decision is not None else "",
        urgency=decision.urgency.name if decision is not None else "",
        outcome=record.outcome,
        reason=record.summary,
        error=record.failure.name if record.failure is not None else "",
        exit_code=record.exit_code,
        leverage_after=record.realised.leverage if record.realised is not None else None,
        gas_usd=gas_wei / WAD * market.path.price(COIN, until),
        fees_usd=math.fsum(swap.value_usd * swap.fees_bps / BPS for swap in swaps),
        impact_usd=math.fsum(swap.value_usd * (swap.realised_bps - swap.fees_bps) / BPS for swap in swaps),
        flash_usd=plan.cost.flash if plan is not None and record.receipt is not None else 0.0,
        answers=market.answers,
        swaps=market.swaps,
        liquidated=(),
        wrong_feeds=market.wrong_feeds(until),
        missing=target.missing if target is not None else (),
        pauses=tuple(pause.cause for pause in pause_state.pauses) if pause_state is not None else (),
        seconds=0.0,
    )
