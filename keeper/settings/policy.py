"""The strategy's settings as the domain's ``Policy``. A setting and its policy field have the same name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from keeper.address_book.book import Book
from keeper.domain.chains import DEVELOPMENT_CHAIN_ID
from keeper.domain.errors import InvalidSetting
from keeper.domain.line import LinePolicy
from keeper.domain.native_coin import COIN
from keeper.domain.policy import (
    AssetClass,
    AssetGroup,
    AssetPolicy,
    DailyPolicy,
    DecisionPolicy,
    DrillPolicy,
    EstimatePolicy,
    FeedPolicy,
    OraclePolicy,
    PlanPolicy,
    Policy,
    RiskFactor,
    Scenario,
    SizePolicy,
    UrgencyLimits,
)
from keeper.domain.urgency import Urgency
from keeper.settings.endpoints import WRAPPED_COIN, address_book
from keeper.settings.execution import (
    DEVIATION_BPS,
    MAX_HEAD_AGE_S,
    MIN_OPINIONS,
    DailyTable,
    DrillTable,
    FeedTable,
    OracleTable,
    PlanTable,
)
from keeper.settings.schema import STRATEGY, Settings
from keeper.settings.strategy import AssetTable, ClassTable, DecisionTable, SizeTable, UrgencyTable
from keeper.settings.weekly_closure import weekly_closure

FLOAT_ROUNDING = 1e-9
WEI_PER_GWEI = 10**9
WEI_PER_ETH = 10**18


def policy(settings: Settings) -> Policy:
    """The strategy in the domain's units. Raises InvalidSetting where its allocation or its caps are impossible."""
    whole = Policy(
        assets=_assets(settings.assets, settings.size.classes),
        estimate=EstimatePolicy(**settings.estimate.model_dump()),
        size=_size(settings.size),
        decision=_decision(settings.decision, settings.size),
        plan=_plan(settings.plan),
        daily=_daily(settings.daily),
        oracle=_with_closures(
            _oracle(settings.oracle, settings.chain_id, address_book(settings)), settings.assets
        ),
        line=LinePolicy(**settings.line.model_dump()),
        drill=_drill(settings.drill),
    )
    _require_allocation(whole)
    return whole


def restricted(policy: Policy, symbols: Sequence[str]) -> tuple[Policy, tuple[str, ...]]:
    """The policy of these assets alone, with budgets scaled to sum to 1, and the symbols that are left out.

    Groups lose the assets that are left out. Raises InvalidSetting when no asset is left, or the caps allow no
    portfolio of the others.
    """
    left_out = tuple(asset.symbol for asset in policy.assets if asset.symbol not in symbols)
    if len(left_out) == len(policy.assets):
        raise InvalidSetting(
            f"assets: none of {', '.join(left_out)} is in the deployment ({', '.join(symbols) or 'empty'})",
            remedy="Name assets that the vault holds, with the symbols of their tokens.",
        )
    remaining = policy.of(symbols)
    _require_allocation(remaining)
    return remaining, left_out


def settings_hash(settings: Settings) -> str:
    """SHA-256 of strategy and addresses, the address book's too, in canonical JSON. Secrets, and URLs that may carry
    one, are not in it. Raises InvalidSetting where the operator's address book is wrong."""
    values = settings.model_dump(
        mode="json", include={*STRATEGY, "chain_id", "vault", "quoter", "multicall", "native_feed"}
    )
    known = address_book(settings)
    if known is not None:
        values["address_book"] = asdict(known)
    canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _assets(tables: Sequence[AssetTable], classes: Sequence[ClassTable]) -> tuple[AssetPolicy, ...]:
    """With budgets that sum to 1. The assets of a class share its budget in proportion to their own."""
    budgets = {table.symbol: table.budget for table in tables}
    for each in classes:
        in_class = sum(budgets[symbol] for symbol in each.symbols)
        budgets |= {symbol: budgets[symbol] / in_class * each.budget for symbol in each.symbols}
    scale = _scale(sum(budgets.values()))
    return tuple(
        AssetPolicy(
            **table.model_dump(exclude={"budget", "closed"}),
            budget=budgets[table.symbol] / scale,
            closed=weekly_closure(table.closed) if table.closed else None,
        )
        for table in tables
    )


def _scale(total: float) -> float:
    return 1.0 if abs(total - 1.0) <= FLOAT_ROUNDING else total


def _size(table: SizeTable) -> SizePolicy:
    """The cap of a class is that of a group with its name."""
    return SizePolicy(
        **table.model_dump(exclude={"scenarios", "groups", "classes", "factors"}),
        scenarios=tuple(
            Scenario(scenario.name, scenario.loss, tuple(scenario.losses.items()))
            for scenario in table.scenarios
        ),
        groups=(
            *(AssetGroup(**group.model_dump()) for group in table.groups),
            *(
                AssetGroup(each.name, each.symbols, each.max_share)
                for each in table.classes
                if each.max_share < 1.0
            ),
        ),
        classes=tuple(AssetClass(each.name, each.symbols) for each in table.classes),
        factors=tuple(
            RiskFactor(factor.name, factor.budget, tuple(factor.portfolio.items()))
            for factor in table.factors
        ),
    )


def _decision(table: DecisionTable, size: SizeTable) -> DecisionPolicy:
    """An owner who aims at volatility s for a reward k per unit of it has the risk aversion k / s: it is the one for
    which ``k s - g s^2 / 2`` is highest there."""
    implied = size.reward_per_risk / size.target_volatility
    return DecisionPolicy(
        **table.model_dump(exclude={"urgency", "gas_reserve_eth", "risk_aversion"}),
        risk_aversion=implied if table.risk_aversion is None else table.risk_aversion,
        gas_reserve_wei=round(table.gas_reserve_eth * WEI_PER_ETH),
        limits=(
            _limits(Urgency.ROUTINE, table.urgency.routine),
            _limits(Urgency.OUT_OF_BAND, table.urgency.out_of_band),
            _limits(Urgency.EMERGENCY, table.urgency.emergency),
        ),
    )


def _limits(urgency: Urgency, table: UrgencyTable) -> UrgencyLimits:
    return UrgencyLimits(
        **table.model_dump(exclude={"max_gas_price_gwei"}),
        urgency=urgency,
        max_gas_price_wei=round(table.max_gas_price_gwei * WEI_PER_GWEI),
    )


def _plan(table: PlanTable) -> PlanPolicy:
    return PlanPolicy(
        **table.model_dump(exclude={"max_fee_eth", "gas_usd_price_symbol"}),
        gas_usd_price_symbol=table.gas_usd_price_symbol or WRAPPED_COIN,
        max_fee_wei=round(table.max_fee_eth * WEI_PER_ETH),
    )


def _daily(table: DailyTable) -> DailyPolicy:
    return DailyPolicy(
        **table.model_dump(exclude={"max_gas_eth"}), max_gas_wei=round(table.max_gas_eth * WEI_PER_ETH)
    )


def _drill(table: DrillTable) -> DrillPolicy:
    return DrillPolicy(
        **table.model_dump(exclude={"gas_price_gwei"}),
        gas_price_wei=round(table.gas_price_gwei * WEI_PER_GWEI),
    )


def _oracle(table: OracleTable, chain_id: int | None, known: Book | None) -> OraclePolicy:
    """With a feed for every token of the settings or of the address book, and the book's for the native coin. A
    development chain has a time of its own, so there the clocks are compared only on request, and its assets need no
    second opinion. Raises InvalidSetting."""
    given = {feed.symbol: feed for feed in table.feeds}
    symbols = dict.fromkeys(
        (
            *given,
            *((*(token.symbol for token in known.tokens), COIN) if known is not None else ()),
        )
    )
    development = chain_id in (None, DEVELOPMENT_CHAIN_ID)
    if table.min_opinions == 0 and not development:
        raise InvalidSetting(
            f"oracle.min_opinions is 0 on chain {chain_id}: no single source may raise risk",
            remedy=f"Set it to at least 1. 0 is for chain {DEVELOPMENT_CHAIN_ID} alone.",
        )
    default_opinions = 0 if development else MIN_OPINIONS
    return OraclePolicy(
        **table.model_dump(exclude={"feeds", "venues", "max_head_age_s", "min_opinions"}),
        feeds=tuple(_feed(given.get(symbol, FeedTable(symbol=symbol)), known) for symbol in symbols),
        default_feed=_feed(FeedTable(symbol="*"), None),
        max_head_age_s=table.max_head_age_s or (None if development else MAX_HEAD_AGE_S),
        min_opinions=default_opinions if table.min_opinions is None else table.min_opinions,
    )


def _with_closures(oracle: OraclePolicy, assets: Sequence[AssetTable]) -> OraclePolicy:
    """A feed is silent while the market of its asset is closed."""
    closed = {asset.symbol: weekly_closure(asset.closed) for asset in assets if asset.closed}
    feeds = {feed.symbol: feed for feed in oracle.feeds}
    feeds |= {
        symbol: replace(oracle.feed(symbol), symbol=symbol, closed=closure)
        for symbol, closure in closed.items()
    }
    return replace(oracle, feeds=tuple(feeds.values()))


def _feed(table: FeedTable, known: Book | None) -> FeedPolicy:
    """Heartbeat and deviation that the operator leaves open come from the address book."""
    token = known.token(table.symbol) if known is not None else None
    listed = known.feed_of(token) if known is not None and token is not None else None
    if known is not None and table.symbol == COIN:
        listed = known.native
    heartbeat_s, deviation_bps = table.heartbeat_s, table.deviation_bps
    if listed is not None:
        heartbeat_s = listed.heartbeat_s if heartbeat_s is None else heartbeat_s
        deviation_bps = listed.deviation_bps if deviation_bps is None else deviation_bps
    return FeedPolicy(
        **table.model_dump(exclude={"heartbeat_s", "deviation_bps", "description", "reference"}),
        heartbeat_s=heartbeat_s,
        deviation_bps=DEVIATION_BPS if deviation_bps is None else deviation_bps,
    )


def _require_allocation(policy: Policy) -> None:
    """Refuse now what sizing would refuse in every cycle."""
    from keeper.risk.allocations import (  # numpy is slow to import, and few commands need it here
        FACTOR_RISK_PARITY,
        require_available,
    )
    from keeper.risk.caps import caps_of, feasible_caps
    from keeper.risk.factors import require_factors

    require_available(policy.size.allocation)
    if policy.size.allocation == FACTOR_RISK_PARITY or policy.size.factors:
        require_factors(policy.size.factors, [asset.symbol for asset in policy.assets])
    caps = caps_of(policy.assets, policy.size.groups)
    if caps:
        feasible_caps(caps, tuple(asset.symbol for asset in policy.assets))
