"""What ``keeper vault deploy`` shows before it sends: every parameter, and every transaction with its gas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields

from rich.console import Group
from rich.table import Table

from keeper.chain.admin.blueprint_on_chain import NamedBlueprint
from keeper.chain.admin.deployment import DeploymentCost
from keeper.chain.admin.deployment_plan import DeploymentPlan
from keeper.chain.admin.vault_blueprint import NOBODY, UINT128_MAX
from keeper.cli.output import facts, plain_table
from keeper.domain.units import BPS, WAD
from keeper.views.formats import age, amount, percent, ratio

FEE_UNIT = 1_000_000
"""Uniswap counts fees in hundredths of a bp."""


def blueprint_screen(named: NamedBlueprint) -> Group:
    return Group(facts(_facts(named)), _assets(named), _pools(named))


def plan_screen(plan: DeploymentPlan, gas: Sequence[int]) -> Table:
    table = plain_table(">nonce", "transaction", "address", ">gas", title="Transactions")
    waiting = plan.transactions[len(plan.transactions) - len(gas) :]
    for transaction, used in zip(waiting, gas, strict=True):
        table.add_row(
            str(transaction.nonce), transaction.what, transaction.creates or transaction.to, f"{used:,}"
        )
    return table


def cost_lines(plan: DeploymentPlan, cost: DeploymentCost) -> Iterator[tuple[str, str]]:
    yield "deployer", plan.deployer
    yield (
        "gas",
        f"{cost.gas:,} with a margin, at most {cost.max_wei / WAD:.4f} ETH at {cost.fee_wei / 1e9:.2f} gwei",
    )
    yield "balance", f"{cost.balance_wei / WAD:.4f} ETH"


def _facts(named: NamedBlueprint) -> Iterator[tuple[str, str]]:
    blueprint = named.blueprint
    roles, timelock, terms = blueprint.roles, blueprint.timelock, blueprint.terms
    yield "shares", f"{blueprint.name} ({blueprint.symbol})"
    if timelock is None:
        yield "admin", f"{roles.admin}, a timelock of {age(named.admin_delay_s)}"
    else:
        yield "admin", f"a new timelock of {age(timelock.delay_s)}"
        yield "proposers", ", ".join(timelock.proposers)
        yield "executors", ", ".join(timelock.executors)
    for name in ("keeper", "guardian", "operations"):
        yield name, getattr(roles, name)
    yield "lending pool", blueprint.lending_pool
    yield "swap factory", blueprint.swap_factory
    yield "accounts", ", ".join("no eMode" if c == 0 else f"eMode {c}" for c in blueprint.accounts)
    for field in fields(blueprint.policy):
        yield (
            field.name.removesuffix("_bps").replace("_", " "),
            _policy_value(field.name, getattr(blueprint.policy, field.name)),
        )
    if blueprint.sequencer_feed != NOBODY:
        yield "sequencer", f"{blueprint.sequencer_feed}, grace {age(blueprint.sequencer_grace_s)}"
    yield "wound down by anybody", f"after {age(blueprint.silence_s)} without a sign of keeper and admin"
    yield "batches of requests", f"closed at most every {age(blueprint.batch_interval_s)}"
    cash = blueprint.assets[0]
    cap = "none" if terms.cap == UINT128_MAX else f"{amount(terms.cap, cash.decimals)} {named.symbols[0]}"
    yield "cap on deposits", cap
    yield "depositors", "only those that operations allow" if terms.allowed_only else "anybody"
    fees = (("management", terms.management_bps), ("performance", terms.performance_bps))
    if any(bps for _, bps in fees):
        yield (
            "fees",
            ", ".join(f"{name} {percent(bps / BPS)}" for name, bps in fees) + f" to {terms.fee_receiver}",
        )
    else:
        yield "fees", "none"
    yield "spread", f"{terms.spread_bps} bps at entry and exit, which stay in the vault"


def _policy_value(name: str, value: int) -> str:
    if name.endswith("_bps"):
        return percent(value / BPS, 2)
    return age(value) if name.endswith("_interval") else ratio(value / WAD)


def _assets(named: NamedBlueprint) -> Table:
    table = plain_table("asset", ">dust", ">weight", ">slippage", ">lag", ">feed age", "feed", title="Assets")
    for symbol, listing in zip(named.symbols, named.blueprint.assets, strict=True):
        table.add_row(
            f"{symbol}{'' if listing.enabled else ' off'}{' debt' if listing.borrowable else ''}",
            amount(10**listing.dust_exponent, listing.decimals),
            percent(listing.max_weight_bps / BPS, 0),
            percent(listing.slippage_bps / BPS, 2),
            percent(listing.lag_bps / BPS, 2),
            age(listing.max_age_s),
            listing.feed,
        )
    return table


def _pools(named: NamedBlueprint) -> Table:
    table = plain_table("pool", ">fee", "address", title="Pools")
    for address, pool in zip(named.blueprint.pools, named.pools, strict=True):
        pair = sorted(pool.symbols, key=lambda symbol: symbol == named.symbols[0])
        table.add_row("/".join(pair), percent(pool.fee / FEE_UNIT, 2), address)
    return table
