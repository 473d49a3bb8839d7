"""``keeper demo --universe all-weather``: to risk parity, over a weekend without trading gold, through a lost peg."""

from __future__ import annotations

from rich.console import Console

from keeper.cli.demo_stage import Stage, off_target, run_stage
from keeper.devnet.all_weather import GOLD, STAKED, next_closure
from keeper.devnet.local_chain import LocalChain
from keeper.domain.decision import Action
from keeper.domain.market import FeedReading
from keeper.oracle import rules

INTO_CLOSURE_S = 24 * 3_600
AFTER_OPENING_S = 3 * 3_600
WEEKEND_MOVE = 1.03
"""Of gold in the pools, while its feed is silent."""
DEPEG = 0.066
"""stETH on 18 June 2022, by its market price against Lido's rate."""
ETH_MOVE = 1.12
"""Before the peg is lost, so that staked ETH is above its share."""
INTEREST = 1e-6
"""What a holding may grow by during a run."""
MEAN_PRICE_S = 3_700
"""Longer than the window over which the keeper takes a pool's mean price."""


def play(chain: LocalChain, screen: Console) -> tuple[Stage, ...]:
    """Four runs, with the chain's clock moved over a weekend."""
    first = run_stage("first run", chain, screen)
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
    return first, weekend, opened, lost


def broken_promises(stages: tuple[Stage, ...]) -> list[str]:
    """The promises that the chain does not confirm; empty if all are kept."""
    first, weekend, _, lost = stages
    broken = off_target(first)
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


def _feed(stage: Stage, symbol: str) -> FeedReading:
    assert stage.record.inputs is not None, "a cycle without failure has inputs"
    return next(feed for feed in stage.record.inputs.snapshot.feeds if feed.symbol == symbol)


def _action(stage: Stage) -> Action:
    assert stage.record.conclusions is not None, "a cycle without failure has conclusions"
    return stage.record.conclusions.decision.action
