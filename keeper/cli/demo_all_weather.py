"""``keeper demo --universe all-weather``: to risk parity, over a weekend without trading gold, through a lost peg."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console

from keeper.cli.demo_stage import Stage, off_target, run_stage
from keeper.decision.data_limits import SOLD_AT_RATE
from keeper.decision.gate_rules import TRIGGER
from keeper.devnet.aave import GOLD_CATEGORY
from keeper.devnet.all_weather import GOLD, STAKED, next_closure
from keeper.devnet.local_chain import LocalChain
from keeper.devnet.vault_reading import AavePosition, read_positions
from keeper.domain.decision import Action, Gate
from keeper.domain.market import FeedReading
from keeper.oracle import rules
from keeper.views.formats import money, ratio

INTO_CLOSURE_S = 24 * 3_600
AFTER_OPENING_S = 3 * 3_600
WEEKEND_MOVE = 1.03
"""Of gold in the pools, while its feed is silent."""
DEPEG = 0.066
"""stETH on 18 June 2022, by its market price against Lido's rate."""
ETH_MOVE = 1.40
"""Before the peg is lost, so that staked ETH is far above its share and a sale of it is due."""
INTEREST = 1e-6
"""What a holding may grow by during a run."""
MEAN_PRICE_S = 3_700
"""Longer than the window over which the keeper takes a pool's mean price."""


@dataclass(frozen=True, slots=True)
class Played:
    """The runs, and what the vault's accounts held after the first."""

    stages: tuple[Stage, ...]
    positions: tuple[AavePosition, ...]


def play(chain: LocalChain, screen: Console) -> Played:
    """Four runs, with the chain's clock moved over a weekend."""
    first = run_stage("first run", chain, screen)
    positions = read_positions(chain)
    for place, position in enumerate(positions):
        held = ", ".join(f"{amount:,} raw {symbol}" for symbol, amount in position.collateral.items())
        screen.print(
            f"account {place}, {_emode(position)}: {held or 'nothing'}; {money(position.debt_usd)} of debt, health "
            f"factor {ratio(position.health_factor)}"
        )
    closes, opens = next_closure(chain.now())
    screen.rule(f"gold's market closes; its pool trades {WEEKEND_MOVE - 1:.0%} above the silent feed")
    chain.pass_time(closes + INTO_CLOSURE_S - chain.now())
    chain.trade_to(GOLD, chain.spot(GOLD) * WEEKEND_MOVE)
    chain.pass_time(MEAN_PRICE_S)
    weekend = run_stage("weekend", chain, screen)
    screen.rule("gold's market opens where its pool is")
    chain.pass_time(opens + AFTER_OPENING_S - chain.now())
    chain.set_price(GOLD, chain.spot(GOLD) * WEEKEND_MOVE)
    chain.pass_time(MEAN_PRICE_S)
    opened = run_stage("gold opened", chain, screen)
    screen.rule(f"ETH rises by {ETH_MOVE - 1:.0%}; staked ETH sells {DEPEG:.1%} below its rate")
    chain.set_price("WETH", chain.spot("WETH") * ETH_MOVE)
    chain.set_price(STAKED, chain.spot(STAKED) * ETH_MOVE)
    chain.trade_to(STAKED, chain.spot(STAKED) * (1 - DEPEG))
    chain.pass_time(MEAN_PRICE_S)
    lost = run_stage("peg lost", chain, screen)
    for stage, symbol in ((weekend, GOLD), (lost, STAKED)):
        feed = _feed(stage, symbol)
        screen.print(
            f"{stage.name}: price gate [bold]{feed.rule}[/], {feed.reason}; {stage.before.amounts[symbol]:,} raw "
            f"{symbol} before, {stage.after.amounts[symbol]:,} after"
        )
    for gate in (*_fired(lost), _gate(lost, SOLD_AT_RATE)):
        screen.print(f"{lost.name}: [bold]{gate.name}[/], {gate.detail}")
    return Played((first, weekend, opened, lost), positions)


def broken_promises(played: Played) -> list[str]:
    """The promises that the chain does not confirm; empty if all are kept."""
    first, weekend, _, lost = played.stages
    broken = off_target(first)
    for position in played.positions:
        if (GOLD in position.collateral) != (position.category == GOLD_CATEGORY[0]):
            held = ", ".join(position.collateral) or "nothing"
            broken.append(f"{first.name}: the account with {_emode(position)} holds {held}")
    if _gate(lost, SOLD_AT_RATE).passed or not _fired(lost):
        broken.append(f"{lost.name}: no sale of {STAKED} was due")
    for stage, symbol, rule in ((weekend, GOLD, rules.DISAGREES), (lost, STAKED, rules.BELOW_RATE)):
        if abs(stage.after.amounts[symbol] / stage.before.amounts[symbol] - 1) > INTEREST:
            broken.append(f"{stage.name}: {symbol} was traded")
        if (shown := _feed(stage, symbol).rule) != rule.name:
            broken.append(
                f"{stage.name}: the price gate says {shown or 'nothing'} of {symbol}, not {rule.name}"
            )
    if _action(weekend) is not Action.HOLD:
        broken.append(f"the weekend's run did not hold: {weekend.record.summary}")
    return broken


def _emode(position: AavePosition) -> str:
    return f"eMode {position.category}" if position.category else "no eMode"


def _gate(stage: Stage, name: str) -> Gate:
    return next(gate for gate in _gates(stage) if gate.name == name)


def _fired(stage: Stage) -> tuple[Gate, ...]:
    """The reasons to trade."""
    return tuple(gate for gate in _gates(stage) if gate.kind == TRIGGER and gate.passed)


def _gates(stage: Stage) -> tuple[Gate, ...]:
    assert stage.record.conclusions is not None, "a cycle without failure has conclusions"
    return stage.record.conclusions.decision.gates


def _feed(stage: Stage, symbol: str) -> FeedReading:
    assert stage.record.inputs is not None, "a cycle without failure has inputs"
    return next(feed for feed in stage.record.inputs.snapshot.feeds if feed.symbol == symbol)


def _action(stage: Stage) -> Action:
    assert stage.record.conclusions is not None, "a cycle without failure has conclusions"
    return stage.record.conclusions.decision.action
