"""``keeper demo --venues``: the same vault over several lending markets, whose keeper is a Safe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.console import Console
from rich.table import Table

from keeper.cli.demo_stage import LEVERAGE_TOLERANCE, RISK_SHARE_TOLERANCE
from keeper.cli.output import plain_table
from keeper.devnet.local_chain import BASE_FEE_WEI, LocalChain
from keeper.devnet.safe import behind_safe
from keeper.devnet.venues import AccountReading, Venues, with_morpho
from keeper.domain.decision import Action
from keeper.domain.pause_state import DeleverageRequest
from keeper.domain.record import DecisionRecord
from keeper.domain.units import WAD
from keeper.risk.contributions import risk_shares
from keeper.views.formats import money, percent, ratio

MORPHO_MARKETS = ("WETH", "WBTC")
CHEAP_BPS, EXPENSIVE_BPS = 2_000, 9_960
"""Parts of a Morpho market that are lent: at 20 % its rate is below half of that at its target of 90 %, at 99.6 %
nearly four times that."""
BETWEEN_RUNS_S = 3_700
WINDOWS_FREE_S = 2 * 86_400
MOST_RUNS = 3
A_WEEK_S = 7 * 86_400
SAFER = 3.0
HEALTH_TOLERANCE = 0.01

Run = Callable[[str, DeleverageRequest | None], DecisionRecord]


@dataclass(frozen=True, slots=True)
class Seen:
    """The accounts on chain after a run, and the run's record."""

    name: str
    record: DecisionRecord
    accounts: tuple[AccountReading, ...]
    cash_usd: float

    @property
    def lowest(self) -> float:
        return min(account.health_factor for account in self.accounts)


def on_venues(chain: LocalChain) -> Venues:
    """The vault with a Safe as its keeper, and its accounts on two markets of Morpho Blue."""
    several = with_morpho(chain, MORPHO_MARKETS)
    return replace(several, chain=behind_safe(chain))


def play(venues: Venues, run: Run, screen: Console) -> list[str]:
    """Returns the promises that the chain does not confirm."""
    for symbol in MORPHO_MARKETS:
        venues.set_utilisation(symbol, CHEAP_BPS)
    built = _runs_to_target("to risk parity", venues, run)
    dry, unrecovered = _dry(venues, run, screen)
    moved, unpaid = _rates_change(venues, run, screen)
    screen.print(_table((*built, *dry, *moved)))
    return [*_off_target(built[-1]), *unrecovered, *unpaid]


def _runs_to_target(name: str, venues: Venues, run: Run) -> list[Seen]:
    """The vault lets one call lose and sell only so much, so that one call may not be enough."""
    seen: list[Seen] = []
    for step in range(MOST_RUNS):
        seen.append(_seen(f"{name}, {step + 1}", venues, run))
        conclusions = seen[-1].record.conclusions
        if conclusions is None or conclusions.decision.action is not Action.ITERATE:
            break
        venues.chain.pass_time(WINDOWS_FREE_S)
    return seen


def _dry(venues: Venues, run: Run, screen: Console) -> tuple[list[Seen], list[str]]:
    """All that Aave has of the debt asset is lent, and a person orders less debt."""
    screen.rule(f"lenders leave Aave, all of its USDC is lent; a deleveraging to {SAFER:g} is ordered")
    venues.chain.pass_time(WINDOWS_FREE_S)
    left = venues.empty_aave()
    seen: list[Seen] = []
    while len(seen) < MOST_RUNS and (not seen or seen[-1].lowest < SAFER * (1.0 - HEALTH_TOLERANCE)):
        venues.chain.pass_time(BETWEEN_RUNS_S)
        seen.append(
            _seen(f"Aave is dry, {len(seen) + 1}", venues, run, order=DeleverageRequest(SAFER, "the demo"))
        )
    venues.lend_on_aave(left)
    if seen[-1].lowest < SAFER * (1.0 - HEALTH_TOLERANCE):
        return seen, [f"after {len(seen)} cycles an account is at {seen[-1].lowest:.3f}, below {SAFER:g}"]
    return seen, []


def _rates_change(venues: Venues, run: Run, screen: Console) -> tuple[list[Seen], list[str]]:
    """Lenders leave Morpho, whose debt costs more than Aave's."""
    screen.rule("lenders are back")
    venues.chain.pass_time(WINDOWS_FREE_S)
    seen = _runs_to_target("back to the target", venues, run)
    screen.rule("lenders leave Morpho, and in a week its debt costs several times as much")
    for symbol in MORPHO_MARKETS:
        venues.set_utilisation(symbol, EXPENSIVE_BPS)
    venues.chain.pass_time(A_WEEK_S)
    before = venues.read()
    seen.append(_seen("Morpho is expensive", venues, run))
    return seen, _unpaid(seen[-1], before)


def _unpaid(seen: Seen, before: Sequence[AccountReading]) -> list[str]:
    """What the change saved and cost, by rates on chain before it and after it."""
    conclusions, receipt = seen.record.conclusions, seen.record.receipt
    if receipt is None or conclusions is None or conclusions.plan is None:
        return [f"{seen.name}: no debt moved. {seen.record.summary}"]
    moved = before[0].debt_usd - seen.accounts[0].debt_usd
    if moved >= 0.0:
        return [
            f"{seen.name}: Aave's debt went from {before[0].debt_usd:,.0f} to {seen.accounts[0].debt_usd:,.0f}"
        ]
    saved = _interest(before) - _interest(seen.accounts)
    cost = conclusions.plan.cost.total
    if saved * 30 / 365 <= cost:
        return [f"{seen.name}: {saved * 30 / 365:,.2f} USD saved in 30 days, and it cost {cost:,.2f}"]
    return []


def _interest(accounts: Sequence[AccountReading]) -> float:
    return sum(account.debt_usd * account.rate for account in accounts)


def _seen(name: str, venues: Venues, run: Run, order: DeleverageRequest | None = None) -> Seen:
    # Blocks without use make gas nearly free, and what costs nothing always pays.
    venues.chain.set_base_fee(BASE_FEE_WEI)
    record = run(name, order)
    return Seen(name, record, accounts=venues.read(), cash_usd=venues.cash_usd())


def _off_target(seen: Seen) -> list[str]:
    record = seen.record
    assert record.conclusions is not None, "a cycle without failure has conclusions"
    assert record.inputs is not None, "a cycle without failure has inputs"
    target, model = record.conclusions.target, record.conclusions.model
    gross = {
        symbol: sum(account.collateral_usd.get(symbol, 0.0) for account in seen.accounts)
        for symbol in model.symbols
    }
    total = sum(gross.values())
    nav = total - sum(account.debt_usd for account in seen.accounts) + seen.cash_usd
    shares = risk_shares([gross[symbol] / nav for symbol in model.symbols], model.covariance)
    broken = [
        f"{seen.name}: {symbol} carries {share:.1%} of the risk, its budget is {budget:.1%}"
        for symbol, share, budget in zip(model.symbols, shares, target.budgets, strict=True)
        if abs(share - budget) > RISK_SHARE_TOLERANCE
    ]
    if abs(total / nav / target.leverage - 1.0) > LEVERAGE_TOLERANCE:
        broken.append(f"{seen.name}: leverage {total / nav:.3f}, target {target.leverage:.3f}")
    floor = record.inputs.snapshot.vault.policy.min_health / WAD
    broken += [
        f"{seen.name}: account {account.place} is at {account.health_factor:.3f}, its floor is {floor:.3f}"
        for account in seen.accounts
        if account.health_factor < floor
    ]
    if sum(account.debt_usd > 0.0 for account in seen.accounts) < 2:
        broken.append(f"{seen.name}: fewer than two accounts owe anything")
    return broken


def _table(stages: Sequence[Seen]) -> Table:
    table = plain_table(
        "run", "account", ">collateral", ">debt", ">at", ">health factor", title="Read from the chain"
    )
    for seen in stages:
        conclusions = seen.record.conclusions
        action = conclusions.decision.action.value if conclusions is not None else "–"
        for account in seen.accounts:
            table.add_row(
                {0: seen.name, 1: action}.get(account.place, ""),
                account.venue,
                money(sum(account.collateral_usd.values())),
                money(account.debt_usd),
                percent(account.rate, 2),
                ratio(account.health_factor),
            )
    return table
