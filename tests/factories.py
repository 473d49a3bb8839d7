"""Realistic frozen values for tests: say only what matters, the rest is an ordinary day on a healthy market.

``a_snapshot(weights=..., leverage=...)`` builds consistent holdings, debt, account and health factor; the ``with_*``
functions change one part of a snapshot without touching the others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from keeper.address_book.book import Book
from keeper.domain.evidence import Evidence, ImpliedReading, PriceBars
from keeper.domain.executed_swaps import ExecutedSwap
from keeper.domain.market import (
    Account,
    Block,
    FeedReading,
    Holding,
    MarketSnapshot,
    PoolLiquidity,
    RateCurve,
    Reserve,
    Round,
    Sequencer,
    Token,
    Trust,
    Vault,
    VaultAsset,
    VaultPolicy,
)
from keeper.domain.model import AssetRisk, RiskModel
from keeper.domain.plan import Route, SimulationReport
from keeper.domain.policy import (
    AssetPolicy,
    DailyPolicy,
    DecisionPolicy,
    EstimatePolicy,
    FeedPolicy,
    OraclePolicy,
    PlanPolicy,
    Policy,
    Scenario,
    SizePolicy,
    UrgencyLimits,
)
from keeper.domain.prices import Opinion
from keeper.domain.record import CycleInputs
from keeper.domain.redemptions import Redemptions
from keeper.domain.tx import InFlight, IntentStatus
from keeper.domain.units import BPS, UINT256_MAX, USD, WAD
from keeper.domain.urgency import Urgency
from keeper.recorded.pools import POOL_DEPTHS

NOW = 1_686_830_400  # 2023-06-15 12:00 UTC
HOUR = 3_600
DAY = 86_400
GWEI = 10**9
RISK_SYMBOLS = ("WBTC", "WETH", "LINK", "UNI")
PRICES = {"USDC": 1.0, "WBTC": 25_100.0, "WETH": 1_650.0, "LINK": 5.25, "UNI": 4.30}
DECIMALS = {"USDC": 6, "WBTC": 8, "WETH": 18, "LINK": 18, "UNI": 18}
LTV = {"USDC": 7_700, "WBTC": 7_000, "WETH": 8_050, "LINK": 5_300, "UNI": 6_500}
LIQUIDATION_THRESHOLD = {"USDC": 8_000, "WBTC": 7_500, "WETH": 8_300, "LINK": 6_800, "UNI": 7_400}
VOLATILITIES = (0.45, 0.50, 0.75, 0.80)
BOOK_CONTRACTS = ("multicall", "quoter", "router", "factory", "lending_pool_provider")
CORRELATION = (
    (1.00, 0.85, 0.65, 0.60),
    (0.85, 1.00, 0.70, 0.65),
    (0.65, 0.70, 1.00, 0.70),
    (0.60, 0.65, 0.70, 1.00),
)


def an_address(number: int) -> str:
    return f"0x{number:040x}"


def a_block(**changes: Any) -> Block:
    block = Block(
        chain_id=31337,
        number=17_500_000,
        hash="0x" + "ab" * 32,
        timestamp=NOW,
        base_fee_wei=20 * GWEI,
        gas_limit=30_000_000,
    )
    return replace(block, **changes)


def a_token(symbol: str, **changes: Any) -> Token:
    token = Token(symbol, an_address(0xA0 + list(DECIMALS).index(symbol)), DECIMALS[symbol])
    return replace(token, **changes)


def a_feed(symbol: str, **changes: Any) -> FeedReading:
    feed = FeedReading(
        symbol=symbol,
        feed=an_address(0xF0 + list(DECIMALS).index(symbol)),
        round=Round(round_id=(1 << 64) | 100, answer=round(PRICES[symbol] * USD), updated_at=NOW - 600),
        max_age_s=4_500 if symbol != "USDC" else 87_300,
        trust=Trust.FRESH,
        reason="",
        rule="",
        min_answer=0,
        max_answer=0,
    )
    return replace(feed, **changes)


def a_reserve(symbol: str, **changes: Any) -> Reserve:
    unit = 10 ** DECIMALS[symbol]
    whole = {"USDC": 1_000_000_000, "WBTC": 40_000, "WETH": 1_200_000, "LINK": 12_000_000, "UNI": 8_000_000}
    lent = {"USDC": 800_000_000, "WBTC": 3_000, "WETH": 900_000, "LINK": 60_000, "UNI": 50_000}
    stable = symbol == "USDC"
    reserve = Reserve(
        symbol=symbol,
        a_token=an_address(0xC0 + list(DECIMALS).index(symbol)),
        debt_token=an_address(0xD0 + list(DECIMALS).index(symbol)),
        ltv_bps=LTV[symbol],
        liquidation_threshold_bps=LIQUIDATION_THRESHOLD[symbol],
        reserve_factor_bps=1_000,
        active=True,
        frozen=False,
        paused=False,
        borrowing_enabled=True,
        flash_loan_enabled=True,
        supply_cap=2 * whole[symbol],
        borrow_cap=2 * whole[symbol],
        supplied=whole[symbol] * unit,
        borrowed=lent[symbol] * unit,
        available=(whole[symbol] - lent[symbol]) * unit,
        market_price=round(PRICES[symbol] * USD),
        supply_rate=0.025,
        borrow_rate=0.04,
        curve=RateCurve(0.92, 0.0, 0.055, 0.35) if stable else RateCurve(0.45, 0.0, 0.04, 3.0),
    )
    return replace(reserve, **changes)


def a_vault_policy(**changes: Any) -> VaultPolicy:
    policy = VaultPolicy(
        min_health_factor=1_200_000_000_000_000_000,
        max_leverage=3 * WAD,
        ripcord_health_factor=1_100_000_000_000_000_000,
        ripcord_target_health_factor=1_600_000_000_000_000_000,
        min_interval=1_800,
        ripcord_interval=600,
        max_loss_bps=100,
        max_emergency_loss_bps=500,
        max_daily_loss_bps=300,
        max_daily_emergency_loss_bps=1_500,
        max_daily_turnover_bps=80_000,
        max_oracle_gap_bps=200,
    )
    return replace(policy, **changes)


def a_vault_asset(symbol: str, **changes: Any) -> VaultAsset:
    asset = VaultAsset(symbol, a_feed(symbol).feed, a_feed(symbol).max_age_s, 20_000, True)
    return replace(asset, **changes)


def a_vault(**changes: Any) -> Vault:
    vault = Vault(
        address=an_address(0xBEEF),
        epoch=7,
        last_rebalance=NOW - 2 * DAY,
        paused=False,
        policy=a_vault_policy(),
        assets=tuple(a_vault_asset(symbol) for symbol in ("USDC", *RISK_SYMBOLS)),
        fee_tiers=(500, 3_000),
        used_daily_loss=0.0,
        used_daily_emergency_loss=0.0,
        used_daily_turnover=0.0,
        total_assets=1_000_000 * 10**6,
        total_shares=1_000_000 * 10**6,
    )
    return replace(vault, **changes)


def a_snapshot(
    *,
    weights: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    leverage: float | None = None,
    nav_usd: float = 1_000_000.0,
    idle: float = 0.0,
    prices: dict[str, float] | None = None,
    **changes: Any,
) -> MarketSnapshot:
    """One block. ``weights`` are value / NAV; with ``leverage`` they are scaled to sum to it. ``idle`` is cash kept
    although there is debt, as a fraction of NAV. ``changes`` replace whole fields of the snapshot, last."""
    symbols = ("USDC", *RISK_SYMBOLS)
    priced = PRICES | (prices or {})
    total = sum(weights)
    scale = 1.0 if leverage is None or total == 0 else leverage / total
    scaled = [weight * scale for weight in weights]
    balance = (1.0 - sum(scaled)) * nav_usd
    cash = max(balance, idle * nav_usd)
    debt = cash - balance
    holdings = (
        Holding("USDC", round(cash * 10**6), 0, round(debt * 10**6)),
        *(
            Holding(symbol, 0, round(weight * nav_usd / priced[symbol] * 10 ** DECIMALS[symbol]), 0)
            for symbol, weight in zip(RISK_SYMBOLS, scaled, strict=True)
        ),
    )
    feeds = tuple(
        replace(a_feed(symbol), round=replace(a_feed(symbol).round, answer=round(priced[symbol] * USD)))
        for symbol in symbols
    )
    snapshot = MarketSnapshot(
        block=a_block(),
        tokens=tuple(a_token(symbol) for symbol in symbols),
        feeds=feeds,
        reserves=tuple(a_reserve(symbol, market_price=round(priced[symbol] * USD)) for symbol in symbols),
        holdings=holdings,
        account=Account(0, 0, UINT256_MAX),
        vault=a_vault(total_assets=round(nav_usd * 10**6), total_shares=round(nav_usd * 10**6)),
        sequencer=None,
        flash_premium_bps=5,
        keeper_address=an_address(0xCAFE),
        keeper_balance_wei=10 * WAD,
        keeper_has_role=True,
        pools=(),
        l1_fee_wei=0,
        redemptions=None,
        depths=(),
    )
    return replace(with_account(snapshot), **changes)


def with_account(snapshot: MarketSnapshot, **changes: Any) -> MarketSnapshot:
    """The snapshot with the lending account that its holdings and the market's prices imply."""
    collateral = thresholds = debt = 0
    for token, reserve, holding in zip(snapshot.tokens, snapshot.reserves, snapshot.holdings, strict=True):
        value = holding.supplied * reserve.market_price // 10**token.decimals
        collateral += value
        thresholds += value * reserve.liquidation_threshold_bps
        debt += -(-holding.owed * reserve.market_price // 10**token.decimals)
    factor = UINT256_MAX if debt == 0 else thresholds * WAD // BPS // debt
    return replace(snapshot, account=replace(Account(collateral, debt, factor), **changes))


def with_feed(snapshot: MarketSnapshot, symbol: str, **changes: Any) -> MarketSnapshot:
    feeds = tuple(replace(feed, **changes) if feed.symbol == symbol else feed for feed in snapshot.feeds)
    return replace(snapshot, feeds=feeds)


def with_reserve(snapshot: MarketSnapshot, symbol: str, **changes: Any) -> MarketSnapshot:
    reserves = tuple(
        replace(reserve, **changes) if reserve.symbol == symbol else reserve for reserve in snapshot.reserves
    )
    return replace(snapshot, reserves=reserves)


def with_holding(snapshot: MarketSnapshot, symbol: str, **changes: Any) -> MarketSnapshot:
    holdings = tuple(
        replace(holding, **changes) if holding.symbol == symbol else holding for holding in snapshot.holdings
    )
    return with_account(replace(snapshot, holdings=holdings))


def with_block(snapshot: MarketSnapshot, **changes: Any) -> MarketSnapshot:
    return replace(snapshot, block=replace(snapshot.block, **changes))


def with_vault(snapshot: MarketSnapshot, **changes: Any) -> MarketSnapshot:
    return replace(snapshot, vault=replace(snapshot.vault, **changes))


def with_vault_policy(snapshot: MarketSnapshot, **changes: Any) -> MarketSnapshot:
    return with_vault(snapshot, policy=replace(snapshot.vault.policy, **changes))


def with_redemptions(snapshot: MarketSnapshot, part: float, waited_s: int = HOUR) -> MarketSnapshot:
    """A queue in which ``part`` of the vault's shares waits; 0: nobody."""
    shares = round(part * snapshot.vault.total_shares)
    value = math.ceil(part * snapshot.vault.total_assets)
    since = snapshot.block.timestamp - waited_s if shares else 0
    return replace(snapshot, redemptions=Redemptions(shares, value, since))


def with_market_move(
    snapshot: MarketSnapshot, factor: float, symbols: Sequence[str] = RISK_SYMBOLS
) -> MarketSnapshot:
    """Feeds and lending oracle of ``symbols`` times ``factor``, the account recomputed."""
    for symbol in symbols:
        feed = snapshot.feeds[snapshot.index(symbol)]
        answer = round(feed.round.answer * factor)
        snapshot = with_feed(snapshot, symbol, round=replace(feed.round, answer=answer))
        snapshot = with_reserve(snapshot, symbol, market_price=answer)
    return with_account(snapshot)


def a_depth(
    snapshot: MarketSnapshot, symbol: str, quote: str, fee: int, usd: float, **changes: Any
) -> PoolLiquidity:
    """A pool at the feeds' prices whose virtual reserves are worth ``usd`` on each side; the asset is token0."""
    one, other = (snapshot.price(name) / USD / 10 ** DECIMALS[name] for name in (symbol, quote))
    pool = PoolLiquidity(
        symbol=symbol,
        quote=quote,
        fee=fee,
        asset_is_token0=True,
        sqrt_price=round(math.sqrt(one / other) * 2**96),
        liquidity=round(usd / math.sqrt(one * other)),
        mean_liquidity=None,
    )
    return replace(pool, **changes)


def with_depths(snapshot: MarketSnapshot, factor: float = 1.0) -> MarketSnapshot:
    """Pools as deep as mainnet's, times ``factor``."""
    return replace(
        snapshot,
        depths=tuple(
            a_depth(snapshot, pool.symbol, pool.quote, pool.fee, factor * pool.virtual_usd)
            for pool in POOL_DEPTHS
        ),
    )


def a_leg(**changes: Any) -> ExecutedSwap:
    """10,000 USDC into WETH through a pool of 5 bps, a bp worse than quoted."""
    leg = ExecutedSwap(
        sold="USDC",
        bought="WETH",
        route=Route(("USDC", "WETH"), (500,)),
        value_usd=10_000.0,
        fair_out=6 * 10**18,
        quoted_out=5_994 * 10**15,
        simulated_out=59_937 * 10**14,
        realised_out=59_934 * 10**14,
        fees_bps=5.0,
        at=NOW,
    )
    return replace(leg, **changes)


def a_sequencer(**changes: Any) -> Sequencer:
    return replace(Sequencer(up=True, status_since=NOW - 30 * DAY, grace_s=3_600), **changes)


def an_in_flight(**changes: Any) -> InFlight:
    return replace(InFlight("intent-1", IntentStatus.OPEN, 7, NOW - 60), **changes)


def an_estimate_policy(**changes: Any) -> EstimatePolicy:
    policy = EstimatePolicy(
        bar_seconds=HOUR,
        history_s=120 * DAY,
        volatility_half_life_days=5.0,
        correlation_half_life_days=21.0,
        shrink=True,
        min_bars=504,
        max_gap_s=12 * HOUR,
        volatility_floor=0.05,
        implied_max_age_s=3 * HOUR,
        implied_decay_s=DAY,
        implied_ratio_min=0.5,
        implied_ratio_max=3.0,
        volatility="ewma",
        correlation="ewma",
        mix_half_lives_days=(1.0, 5.0, 42.0),
        har_weights=(0.25, 0.28, 0.21, 0.26),
        har_scale=1.25,
        implied_blend="variance",
    )
    return replace(policy, **changes)


def a_size_policy(**changes: Any) -> SizePolicy:
    policy = SizePolicy(
        allocation="risk_parity",
        target_volatility=0.80,
        max_leverage=2.0,
        min_health_factor=1.40,
        stress_health_factor=1.05,
        stress_sigmas=6.0,
        time_to_act_s=DAY,
        scenarios=(Scenario("12 March 2020, one day", 0.40),),
        max_borrow_rate=0.25,
        max_utilisation=0.92,
        market_share=0.10,
        idle_buffer=0.0,
        groups=(),
    )
    return replace(policy, **changes)


def some_limits(urgency: Urgency, **changes: Any) -> UrgencyLimits:
    rows = {
        Urgency.ROUTINE: UrgencyLimits(Urgency.ROUTINE, 40 * GWEI, 50, 4.0, 3_600, 1.0),
        Urgency.OUT_OF_BAND: UrgencyLimits(Urgency.OUT_OF_BAND, 120 * GWEI, 75, 4.0, 1_800, 1.0),
        Urgency.EMERGENCY: UrgencyLimits(Urgency.EMERGENCY, 500 * GWEI, 300, 4.0, 0, 1.0),
    }
    return replace(rows[urgency], **changes)


def a_decision_policy(**changes: Any) -> DecisionPolicy:
    policy = DecisionPolicy(
        risk_share_band=0.03,
        out_of_band=0.08,
        volatility_band=0.15,
        leverage_band=0.15,
        alert_health_factor=1.30,
        act_health_factor=1.20,
        safe_health_factor=1.45,
        max_age_s=7 * DAY,
        patience_s=6 * HOUR,
        min_trade_usd=100.0,
        risk_aversion=4.0,
        horizon_s=30 * DAY,
        trade_cost_bps=20,
        rebalance_gas=2_500_000,
        gas_reserve_wei=WAD,
        max_oracle_gap_bps=150,
        limits=tuple(some_limits(urgency) for urgency in Urgency),
        triggers=("risk_share", "volatility", "leverage", "age"),
        rebalance_to="target",
        tracking_error_band=0.04,
        tracking_error_left=0.5,
        learn_costs=True,
        max_redemption_wait_s=DAY,
        pool_costs=True,
    )
    return replace(policy, **changes)


def a_plan_policy(**changes: Any) -> PlanPolicy:
    policy = PlanPolicy(
        deadline_s=600,
        dust_usd=1.0,
        gas_usd_price_symbol="WETH",
        gas_limit_margin=1.25,
        nav_tolerance_bps=20,
        leverage_tolerance=0.02,
        weight_tolerance=0.02,
        public_tolerance_bps=BPS,
    )
    return replace(policy, **changes)


def a_daily_policy(**changes: Any) -> DailyPolicy:
    """Budgets that nothing uses up."""
    policy = DailyPolicy(max_loss=math.inf, max_turnover=math.inf, max_gas_wei=2**256, max_failures=2**31)
    return replace(policy, **changes)


def a_feed_policy(symbol: str, **changes: Any) -> FeedPolicy:
    policy = FeedPolicy(symbol, heartbeat_s=None, grace_s=300, deviation_bps=50, max_jump=0.15)
    return replace(policy, **changes)


def an_oracle_policy(*feeds: FeedPolicy, **changes: Any) -> OraclePolicy:
    policy = OraclePolicy(
        feeds=feeds,
        default_feed=a_feed_policy("*"),
        disagreement_bps=150,
        opinion_max_age_s=300,
        twap_window_s=1_800,
        twap_min_depth_usd=50_000.0,
        max_head_age_s=None,
    )
    return replace(policy, **changes)


def an_opinion(symbol: str, price_usd: float | None, **changes: Any) -> Opinion:
    return replace(Opinion(symbol, "another source", price_usd, NOW, ""), **changes)


def some_inputs(**changes: Any) -> CycleInputs:
    """Of a cycle without history."""
    inputs = CycleInputs(
        snapshot=a_snapshot(),
        history=(),
        implied=(),
        in_flight=None,
        policy=a_policy(),
        quotes=(),
        pause_state=None,
        deleverage_request=None,
        opinions=(),
        memory=(),
        read_at=None,
        candles=(),
        learned_costs=(),
    )
    return replace(inputs, **changes)


def a_simulation(**changes: Any) -> SimulationReport:
    """Of a call that succeeds; the node reads no post-state and reports no logs."""
    report = SimulationReport(
        success=True,
        revert=None,
        gas=2_000_000,
        post=None,
        method="eth_simulateV1",
        l1_fee_wei=0,
        step_outs=(),
        step_ins=(),
    )
    return replace(report, **changes)


def some_assets(**changes: Any) -> tuple[AssetPolicy, ...]:
    """The four risk assets with equal budgets; ``changes`` apply to each."""
    options = {"WBTC": "BTC", "WETH": "ETH"}
    return tuple(
        replace(
            AssetPolicy(
                symbol=symbol,
                budget=0.25,
                max_weight=1.5,
                implied_underlying=options.get(symbol),
                implied_weight=0.5,
                max_share=1.0,
                trade_cost_bps=None,
            ),
            **changes,
        )
        for symbol in RISK_SYMBOLS
    )


def a_policy(**changes: Any) -> Policy:
    """``changes`` replace whole parts: ``a_policy(size=a_size_policy(max_leverage=1.5))``."""
    policy = Policy(
        assets=some_assets(),
        estimate=an_estimate_policy(),
        size=a_size_policy(),
        decision=a_decision_policy(),
        plan=a_plan_policy(),
        daily=a_daily_policy(),
        oracle=an_oracle_policy(),
    )
    return replace(policy, **changes)


def with_limits(policy: Policy, urgency: Urgency, **changes: Any) -> Policy:
    """The policy with one row of the urgency table changed."""
    rows = tuple(replace(row, **changes) if row.urgency is urgency else row for row in policy.decision.limits)
    return replace(policy, decision=replace(policy.decision, limits=rows))


def some_bars(
    *, bars: int = 2_880, seed: int = 7, symbols: Sequence[str] = RISK_SYMBOLS, as_of: int = NOW
) -> PriceBars:
    """Hourly closes of a Gaussian market with the factory's volatilities and correlations, ending at its prices."""
    generator = np.random.default_rng(seed)
    correlation = np.array(CORRELATION)[: len(symbols), : len(symbols)]
    scale = np.array(VOLATILITIES[: len(symbols)]) / np.sqrt(8_760)
    returns = generator.standard_normal((bars - 1, len(symbols))) @ np.linalg.cholesky(correlation).T * scale
    path = np.vstack([np.zeros(len(symbols)), np.cumsum(returns, axis=0)])
    closes = np.exp(path - path[-1]) * np.array([PRICES[symbol] for symbol in symbols])
    last = as_of - as_of % HOUR
    times = np.arange(last - (bars - 1) * HOUR, last + 1, HOUR, dtype=np.int64)
    return PriceBars(tuple(symbols), HOUR, times, closes)


def a_reading(underlying: str, volatility: float | None, **changes: Any) -> ImpliedReading:
    reading = ImpliedReading(underlying, volatility, NOW - 300, "DVOL", "" if volatility else "no answer")
    return replace(reading, **changes)


def a_book(**changes: Any) -> Book:
    """Of the local chain; it knows no token and no feed."""
    contracts: dict[str, Any] = {name: an_address(0xB0 + place) for place, name in enumerate(BOOK_CONTRACTS)}
    return replace(Book(chain_id=31337, name="the local chain", rollup="", **contracts), **changes)


def an_evidence(**changes: Any) -> Evidence:
    evidence = Evidence(
        as_of=NOW,
        bars=some_bars(as_of=changes.get("as_of", NOW)) if "bars" not in changes else changes["bars"],
        implied=(a_reading("BTC", 0.48), a_reading("ETH", 0.55)),
    )
    return replace(evidence, **changes)


def a_model(
    *,
    volatilities: Sequence[float] = VOLATILITIES,
    correlation: Sequence[Sequence[float]] = CORRELATION,
    symbols: Sequence[str] = RISK_SYMBOLS,
    **changes: Any,
) -> RiskModel:
    """A model with exactly these annualised volatilities and correlations."""
    covariance = np.array(correlation) * np.outer(volatilities, volatilities)
    model = RiskModel(
        as_of=NOW,
        symbols=tuple(symbols),
        covariance=tuple(tuple(row) for row in covariance.tolist()),
        assets=tuple(
            AssetRisk(symbol, 2_879, volatility, None, volatility, 0.0, "EWMA only")
            for symbol, volatility in zip(symbols, volatilities, strict=True)
        ),
        worst_loss=0.20,
    )
    return replace(model, **changes)
