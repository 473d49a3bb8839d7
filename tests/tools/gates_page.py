"""``make gates``: which gate stops which direction at which trust of a price, in docs/prices.md."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from keeper.decision.exits import may_be_sold
from keeper.decision.gate_rules import LEVERING, LimitRule
from keeper.decision.gates import LIMITS
from keeper.decision.trade_context import TradeContext, consider
from keeper.domain.market import Trust
from keeper.domain.pause_state import DailyUsage, PauseState
from keeper.domain.portfolio import portfolio
from keeper.domain.urgency import Urgency
from keeper.domain.vault_figures import VaultFigures
from tests.decision.positions import a_move, a_position
from tests.factories import RISK_SYMBOLS, a_feed, a_fire_drill, a_snapshot, with_feed, with_morpho_account

PAGE: Final = Path(__file__).parents[2] / "docs" / "prices.md"
BEGIN, END = "<!-- gates: written by `make gates` -->\n", "<!-- end of gates -->"
HELD: Final = (0.4, 0.4, 0.4, 0.4)
BOUGHT: Final = (0.5, 0.5, 0.5, 0.5)
SOLD: Final = (0.3, 0.3, 0.3, 0.3)
NEVER, ALWAYS = "–", "stops"


def page(text: str) -> str:
    """``text`` with its tables renewed. Raises ValueError without their marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE.name} has no {BEGIN.strip()} or no {END}")
    return f"{before}{begin}\n{tables()}\n{end}{after}"


def tables() -> str:
    return "\n".join((*_gates(), "", *_exits(), ""))


def _gates() -> Iterator[str]:
    yield "| gate | a trade that buys or levers | planned sales that repay debt | RIPCORD |"
    yield "|---|---|---|---|"
    for rule in LIMITS:
        cells = (_planned(rule, BOUGHT), _planned(rule, SOLD), _of(rule, SOLD, Urgency.EMERGENCY))
        yield f"| `{rule.name}` | {' | '.join(cells)} |"


def _planned(rule: LimitRule, weights: tuple[float, ...]) -> str:
    judged = [
        urgency for urgency in Urgency if urgency is not Urgency.EMERGENCY and urgency in rule.urgencies
    ]
    return _of(rule, weights, judged[-1]) if judged else NEVER


def _of(rule: LimitRule, weights: tuple[float, ...], urgency: Urgency) -> str:
    """The trusts at which it stops, where it looks at trust."""
    if not rule.is_judged(_trade(weights, urgency, Trust.FRESH)):
        return NEVER
    if rule.kind == LEVERING and weights is not BOUGHT:
        return NEVER
    stopped = [trust for trust in Trust if not rule.judge(_trade(weights, urgency, trust)).passed]
    if not stopped or Trust.FRESH in stopped:
        return ALWAYS
    return "stops at " + ", ".join(trust.value for trust in stopped)


def _trade(weights: tuple[float, ...], urgency: Urgency, trust: Trust) -> TradeContext:
    """With prices of this trust, no second opinion, and a fire drill that survives no fall."""
    snapshot = a_snapshot(weights=HELD)
    for symbol in RISK_SYMBOLS:
        snapshot = with_feed(snapshot, symbol, trust=trust)
    held = portfolio(snapshot)
    snapshot = replace(snapshot, native_coin=a_feed("WETH", trust=trust))
    snapshot = with_morpho_account(snapshot, "WETH", 0.0, 0.0)
    snapshot = replace(snapshot, vault_figures=VaultFigures(held.nav_usd, held.leverage, held.health_factor))
    position = a_position(
        snapshot,
        read_at=float(snapshot.block.timestamp),
        second_opinions={},
        drill=a_fire_drill(0.0),
        pause_state=PauseState((), DailyUsage(loss=0.0, turnover=0.0, gas_wei=0, failures=0)),
    )
    move = replace(a_move(weights), sells_only=weights is SOLD and urgency is not Urgency.EMERGENCY)
    return consider(position, move, urgency)


def _exits() -> Iterator[str]:
    yield "| trust of an asset's price | bought | sold in a planned trade | sold by a RIPCORD |"
    yield "|---|---|---|---|"
    for trust in Trust:
        bought = "yes" if trust is Trust.FRESH else "no"
        yield f"| {trust.value} | {bought} | {_sold(trust, Urgency.OUT_OF_BAND)} | {_sold(trust, Urgency.EMERGENCY)} |"


def _sold(trust: Trust, urgency: Urgency) -> str:
    alone, confirmed = (
        may_be_sold(a_feed("LINK", trust=trust, lowest_opinion=opinion), urgency) for opinion in (0, 1)
    )
    if not confirmed:
        return "no"
    price = "" if trust is Trust.FRESH else ", at the lowest of all sources"
    return f"yes{price}" if alone else f"where another source has a price{price}"


def main() -> None:
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
