"""Random vaults, markets and goals, drawn from a seed: plain numbers, nothing of a chain yet."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from keeper.decision import measures
from keeper.domain.market import MarketSnapshot
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.domain.units import BPS, WAD
from keeper.lending.venues import vault_book
from keeper.oracle.vault_rules import call_limits, emergency_aim, in_emergency, lag_bps
from tests.chain.vault_scene import RISKY

LEVERAGE_CAP = 2.5
STATES_PER_MARKET = 10
LEAST_NAV_USD, MOST_NAV_USD = 20_000.0, 250_000.0
PRICES_MOVED_BY = 0.25
TROUBLE_SHARE = 0.3
RIPCORD_SHARE = 0.1
MOST_OF_LTV = 0.98
TRADE_COST_BPS = {"WBTC": 40, "WETH": 40, "LINK": 90, "UNI": 90}
"""What a decision assumes of a trade: on these pools, the last two are four times as dear in large vaults."""


class Trouble(StrEnum):
    """What may be wrong with one reserve of the lending market."""

    FROZEN = "frozen"
    LTV_ZERO = "LTV 0"
    SUPPLY_CAPPED = "at its supply cap"
    LENT_OUT = "all but lent out"
    BORROW_CAPPED = "at its borrow cap"
    NO_FLASH_LOAN = "without flash loans"


OF_RISK = (Trouble.FROZEN, Trouble.LTV_ZERO, Trouble.SUPPLY_CAPPED, Trouble.LENT_OUT)
OF_CASH = (Trouble.BORROW_CAPPED, Trouble.NO_FLASH_LOAN, Trouble.LENT_OUT)


@dataclass(frozen=True, slots=True)
class State:
    """``number`` and the run's seed name it. ``price_moves`` multiply the prices of ``RISKY``, in its order, as are
    ``weights``, ``wanted`` (fractions of NAV) and ``donated_usd`` (left idle). ``cash`` is idle USDC as a fraction of
    NAV beside any debt. ``troubles``: symbol and what is wrong with its reserve. ``ripcord``: ``wanted`` is this part
    of all weights instead."""

    number: int
    price_moves: tuple[float, ...]
    nav_usd: float
    weights: tuple[float, ...]
    cash: float
    donated_usd: tuple[float, ...]
    troubles: tuple[tuple[str, Trouble], ...]
    wanted: tuple[float, ...]
    ripcord: float | None = None


def draw(seed: int, number: int) -> State:
    """The same for the same seed and number, whatever else is drawn; the market is shared by a few in a row."""
    generator = np.random.default_rng([seed, number])
    held = _weights(generator, generator.uniform(0.0, LEVERAGE_CAP))
    return State(
        number=number,
        price_moves=market(seed, number),
        nav_usd=float(np.exp(generator.uniform(math.log(LEAST_NAV_USD), math.log(MOST_NAV_USD)))),
        weights=held,
        cash=float(generator.choice([0.0, 0.0, generator.uniform(0.0, 0.05), generator.uniform(0.0, 0.4)])),
        donated_usd=_donations(generator),
        troubles=_troubles(generator),
        wanted=_weights(generator, generator.uniform(0.0, LEVERAGE_CAP)),
        ripcord=float(generator.uniform(0.3, 0.9)) if generator.random() < RIPCORD_SHARE else None,
    )


def market(seed: int, number: int) -> tuple[float, ...]:
    """What the prices of this state are multiplied with; every third market is as it was built."""
    index = number // STATES_PER_MARKET
    if index % 3 == 0:
        return (1.0,) * len(RISKY)
    moves = np.random.default_rng([seed, index, 1]).uniform(-PRICES_MOVED_BY, PRICES_MOVED_BY, len(RISKY))
    return tuple(float(move) for move in np.exp(moves))


def borrowable(state: State, ltv: tuple[float, ...]) -> State:
    """The state with the leverage that the lending market lets it have: debt at most ``MOST_OF_LTV`` of what the
    collateral carries."""
    debt = sum(state.weights) - 1.0 + state.cash
    carried = MOST_OF_LTV * sum(weight * share for weight, share in zip(state.weights, ltv, strict=True))
    if debt <= carried:
        return state
    # g W - 1 + c = g C: lowered alike until the debt is just carried.
    kept = max(0.0, (1.0 - state.cash) / (sum(state.weights) - carried))
    return replace(state, weights=tuple(kept * weight for weight in state.weights))


def goal_within_limits(
    wanted: tuple[float, ...], snapshot: MarketSnapshot, policy: Policy
) -> tuple[float, ...]:
    """``wanted``, kept within the bounds that a decision keeps: leverage, health factor, loss and size of a trade."""
    held, aim = portfolio(snapshot), _within_bounds(wanted, snapshot, policy)
    there = cut_to_limits(held.weights, aim, snapshot, lowering=False)
    return there if there == aim else _within_bounds(there, snapshot, policy)


def cut_to_limits(
    now: tuple[float, ...], aim: tuple[float, ...], snapshot: MarketSnapshot, *, lowering: bool
) -> tuple[float, ...]:
    """As far towards ``aim`` as the vault's limits on loss and turnover let one call go."""
    limits, cash = call_limits(snapshot, lowering=lowering), snapshot.debt_token.symbol
    part = measures.allowed_part(
        now,
        aim,
        tuple(TRADE_COST_BPS[symbol] + lag_bps(snapshot, symbol) for symbol in RISKY),
        max_trade=min(4.0, limits.turnover),
        max_loss_bps=limits.loss * BPS,
        cash_cost_bps=lag_bps(snapshot, cash) + snapshot.flash_premium_bps,
    )
    return tuple(here + part * (then - here) for here, then in zip(now, aim, strict=True))


def kept_in_emergency(snapshot: MarketSnapshot) -> float:
    """The part of all weights at which an emergency call of the vault may end; 0 outside of one."""
    if not in_emergency(snapshot):
        return 0.0
    book, aim = vault_book(snapshot), emergency_aim(snapshot)
    value, carried = book.venue.collateral_value(book.supplied), book.venue.secured_value(book.supplied) / BPS
    debt = snapshot.account.debt_base
    # g K = h (D - (1 - g) V), where all of V is sold alike and loses nothing.
    return aim * (value - debt) / (aim * value - carried)


def _within_bounds(weights: tuple[float, ...], snapshot: MarketSnapshot, policy: Policy) -> tuple[float, ...]:
    vault = snapshot.vault.policy
    caps = {asset.symbol: asset.max_weight_bps / BPS for asset in snapshot.vault.assets}
    dearer = 1.0 + vault.max_loss_bps / BPS  # what NAV loses on the way makes every weight heavier
    capped = tuple(min(weight, caps[symbol] / dearer) for symbol, weight in zip(RISKY, weights, strict=True))
    share = measures.share_within_bounds(
        capped,
        vault.max_leverage / WAD / dearer,
        tuple(snapshot.reserve(symbol).liquidation_threshold_bps / BPS for symbol in RISKY),
        (policy.size.min_health_factor, vault.min_health / WAD),
        (vault.max_loss_bps / BPS, vault.max_loss_bps / BPS),
    )
    return tuple(share * weight for weight in capped)


def _weights(generator: np.random.Generator, leverage: float) -> tuple[float, ...]:
    shares = generator.dirichlet(np.ones(len(RISKY))) * (generator.random(len(RISKY)) < 0.8)
    total = shares.sum()
    return tuple(float(leverage * share / total) if total > 0 else 0.0 for share in shares)


def _donations(generator: np.random.Generator) -> tuple[float, ...]:
    """From dust to a few thousand dollars, mostly none."""
    given = generator.random(len(RISKY)) < 0.25
    return tuple(float(one) for one in given * 10.0 ** generator.uniform(-4.0, 3.5, len(RISKY)))


def _troubles(generator: np.random.Generator) -> tuple[tuple[str, Trouble], ...]:
    if generator.random() > TROUBLE_SHARE:
        return ()
    if generator.random() < 0.3:
        return (("USDC", OF_CASH[generator.integers(len(OF_CASH))]),)
    symbols = generator.choice(RISKY, size=1 + int(generator.random() < 0.3), replace=False)
    return tuple((str(symbol), OF_RISK[generator.integers(len(OF_RISK))]) for symbol in symbols)
