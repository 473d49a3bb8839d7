"""Every limit on leverage, one function each, in the field's formulas.

With unit weights ``s`` (sum 1), leverage L and a buffer ``B`` of idle cash (a fraction of NAV), collateral is ``L`` and
debt ``L - 1 + B`` NAVs. A limit that depends on the vault's size is inf for an empty vault.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from keeper.domain.accounts import accounts
from keeper.domain.market import MarketSnapshot, RateCurve, Reserve
from keeper.domain.model import Bound, RiskModel
from keeper.domain.policy import Policy, SizePolicy
from keeper.domain.units import BPS, SECONDS_PER_YEAR, WAD, to_float, usd
from keeper.lending import aave

BOUNDS = {
    "target_volatility": "the portfolio's volatility is `size.target_volatility`",
    "policy_cap": "`size.max_leverage` is reached",
    "health_factor": "the health factor is at the floor",
    "stress": "after the worst stress loss of the target portfolio the health factor is still "
    "`size.stress_health_factor`",
    "borrowing_power": "the lending market's loan-to-value is used up",
    "vault_leverage": "the vault's own limit on leverage is reached after the largest loss that it allows a "
    "rebalance",
    "vault_health_factor": "the vault's own floor of the health factor is reached after the largest loss that it "
    "allows a rebalance",
    "weight_cap": "an asset's weight is at its cap",
    "supply_cap": "the vault supplies its share of what is free under an asset's supply cap",
    "borrow_cap": "the vault borrows its share of what is free under the debt asset's borrow cap",
    "liquidity": "the vault borrows its share of the debt reserve's free liquidity",
    "utilisation": "the debt reserve's utilisation is `size.max_utilisation`, after our own borrowing",
    "carry": "the borrow rate is `size.max_borrow_rate`, after our own borrowing",
    "carry_worth": "one more unit of debt costs as much as it earns: `size.reward_per_risk` times the volatility "
    "that it buys, and what it yields; its cost includes that all debt becomes more expensive",
    "accounts": "of a vault with several accounts: they hold no more within their floors of the health factor, their "
    "caps, liquidity and rates; it stands for those bounds of the accounts, and names the one that binds",
}
"""The leverage that each bound stands for. Bounds of one asset carry its symbol: ``weight_cap:WETH``."""


@dataclass(frozen=True, slots=True)
class Basis:
    """The portfolio at leverage 1 and its terms as collateral. ``nav_usd`` is the NAV that is left after the line of
    redemptions."""

    model: RiskModel
    snapshot: MarketSnapshot
    policy: Policy
    nav_usd: float
    unit_weights: tuple[float, ...]
    unit_volatility: float
    liquidation_thresholds: tuple[float, ...]
    ltv: float

    @property
    def liquidation_threshold(self) -> float:
        return self.threshold_after((0.0,) * len(self.unit_weights))

    def threshold_after(self, losses: Sequence[float]) -> float:
        """Part of the present collateral that counts in the health factor after each asset lost this fraction."""
        assets = zip(self.unit_weights, self.liquidation_thresholds, losses, strict=True)
        return math.fsum(weight * threshold * (1.0 - min(loss, 1.0)) for weight, threshold, loss in assets)

    @property
    def size(self) -> SizePolicy:
        return self.policy.size

    @property
    def largest_loss(self) -> float:
        """Part of NAV that a rebalance may lose before the vault reverts it. The vault's limits must hold even then."""
        return self.snapshot.vault.policy.max_loss_bps / BPS


def all_bounds(basis: Basis) -> tuple[Bound, ...]:
    """Every bound. The lowest sets the leverage, the first of equals."""
    return (
        target_volatility(basis),
        policy_cap(basis),
        health_factor(basis),
        stress(basis),
        borrowing_power(basis),
        vault_leverage(basis),
        vault_health_factor(basis),
        *weight_caps(basis),
        *supply_caps(basis),
        borrow_cap(basis),
        liquidity(basis),
        utilisation(basis),
        carry(basis),
        carry_worth(basis),
    )


# ------------------------------------------------------------------ formulas


def leverage_at_health_factor(floor: float, threshold: float, buffer: float = 0.0) -> float:
    """``L <= h (1 - B) / (h - LT)``: health factor ``h``."""
    return floor * max(0.0, 1.0 - buffer) / (floor - threshold)


def health_factor_at(leverage: float, threshold: float, buffer: float = 0.0) -> float:
    """``L LT / (L - 1 + B)``. It is inf without debt."""
    return aave.health_factor(leverage * threshold, leverage - 1.0 + buffer)


def gaussian_loss(size: SizePolicy, volatility: float) -> float:
    """``stress_sigmas`` standard deviations over the time to act."""
    return size.stress_sigmas * volatility * math.sqrt(size.time_to_act_s / SECONDS_PER_YEAR)


def borrow_rate(curve: RateCurve, utilisation: float) -> float:
    """Yearly variable borrow rate at a utilisation (Aave DefaultReserveInterestRateStrategyV2)."""
    if utilisation <= curve.optimal_utilisation:
        return curve.base + curve.slope1 * utilisation / curve.optimal_utilisation
    excess = (utilisation - curve.optimal_utilisation) / (1.0 - curve.optimal_utilisation)
    return curve.base + curve.slope1 + curve.slope2 * excess


def utilisation_at_rate(curve: RateCurve, rate: float) -> float:
    """Highest utilisation whose borrow rate is at most ``rate``. It is 0 when the base rate is higher."""
    if rate >= borrow_rate(curve, 1.0):
        return 1.0
    if rate < curve.base:
        return 0.0
    if rate < curve.base + curve.slope1:
        return curve.optimal_utilisation * (rate - curve.base) / curve.slope1
    excess = (rate - curve.base - curve.slope1) / curve.slope2
    return curve.optimal_utilisation + excess * (1.0 - curve.optimal_utilisation)


def debt_at_marginal_rate(curve: RateCurve, rate: float, *, others: float, lendable: float) -> float:
    """Largest debt ``d`` at which ``d(d r)/dd = r(U) + d r'(U) / lendable`` is at most ``rate``, with ``U = (others +
    d) / lendable``. It is at least 0, and at most what is left to lend."""
    kink = curve.optimal_utilisation
    for start, end, rate_at_start, rise in (
        (0.0, kink, curve.base, curve.slope1),
        (kink, 1.0, curve.base + curve.slope1, curve.slope2),
    ):
        first, last = max(0.0, start * lendable - others), end * lendable - others
        if last <= first:
            continue
        slope = rise / (end - start)
        at_zero = rate_at_start + slope * (others / lendable - start)
        if at_zero + 2.0 * slope * last / lendable > rate:
            # On a flat part of the curve the rate is too high from its beginning.
            return max(first, 0.5 * (rate - at_zero) * lendable / slope) if slope > 0.0 else first
    return max(0.0, lendable - others)


# -------------------------------------------------------------------- bounds


def target_volatility(basis: Basis) -> Bound:
    target, unit = basis.size.target_volatility, basis.unit_volatility
    return Bound("target_volatility", target / unit, f"target {target:.1%}, {unit:.1%} at leverage 1")


def policy_cap(basis: Basis) -> Bound:
    return Bound("policy_cap", basis.size.max_leverage, "size.max_leverage")


def health_factor(basis: Basis) -> Bound:
    """The floor is the higher of the settings' and the vault's."""
    floor = max(basis.size.min_health_factor, basis.snapshot.vault.policy.min_health / WAD)
    limit = leverage_at_health_factor(floor, basis.liquidation_threshold, basis.size.idle_buffer)
    return Bound(
        "health_factor",
        limit,
        f"health factor {floor:.2f} at liquidation threshold {basis.liquidation_threshold:.1%}",
    )


def stress(basis: Basis) -> Bound:
    """The health factor after the worst of these losses of the target portfolio: ``stress_sigmas`` standard deviations
    over the time to act, the worst in history, and the named scenarios."""
    size, symbols = basis.size, basis.model.symbols
    gaussian = gaussian_loss(size, basis.unit_volatility)
    deviations = f"{size.stress_sigmas:g} standard deviations in {size.time_to_act_s / 3600:g} h"
    cases = [
        ((gaussian,) * len(symbols), deviations),
        *((losses, "worst in the history") for losses in basis.model.worst_losses),
        *((scenario.of(symbols), scenario.name) for scenario in size.scenarios),
    ]
    counted = np.array(basis.unit_weights) * np.array(basis.liquidation_thresholds)
    losses, name = cases[int(((1.0 - np.minimum([losses for losses, _ in cases], 1.0)) @ counted).argmin())]
    threshold = basis.threshold_after(losses)
    lost = math.fsum(weight * min(loss, 1.0) for weight, loss in zip(basis.unit_weights, losses, strict=True))
    return Bound(
        "stress",
        leverage_at_health_factor(size.stress_health_factor, threshold, size.idle_buffer),
        f"health factor {size.stress_health_factor:.2f} after losing {lost:.1%} ({name})",
    )


def borrowing_power(basis: Basis) -> Bound:
    limit = (1.0 - basis.size.idle_buffer) / (1.0 - basis.ltv)
    return Bound("borrowing_power", limit, f"loan to value {basis.ltv:.1%}")


def vault_leverage(basis: Basis) -> Bound:
    cap = basis.snapshot.vault.policy.max_leverage / WAD
    return Bound(
        "vault_leverage",
        cap * (1.0 - basis.largest_loss),
        f"the vault's {cap:.2f}, less what a rebalance may lose",
    )


def vault_health_factor(basis: Basis) -> Bound:
    floor = basis.snapshot.vault.policy.min_health / WAD
    used = basis.size.idle_buffer + basis.largest_loss
    limit = leverage_at_health_factor(floor, basis.liquidation_threshold, used)
    return Bound("vault_health_factor", limit, f"the vault's {floor:.2f}, after what a rebalance may lose")


def weight_caps(basis: Basis) -> tuple[Bound, ...]:
    """Leverage at which each asset reaches its cap, ours or the vault's."""
    kept = 1.0 - basis.largest_loss
    own_caps = {asset.symbol: asset.max_weight for asset in basis.policy.assets}
    bounds = []
    for symbol, weight in zip(basis.model.symbols, basis.unit_weights, strict=True):
        cap = min(own_caps[symbol], basis.snapshot.vault.asset(symbol).max_weight_bps / BPS * kept)
        bounds.append(
            Bound(f"weight_cap:{symbol}", _levered_to(cap, weight), f"{symbol} at most {cap:.1%} of NAV")
        )
    return tuple(bounds)


def supply_caps(basis: Basis) -> tuple[Bound, ...]:
    """Leverage at which each asset reaches what the vault supplies already, or our share of the cap's free part if that
    is more."""
    places = {token.symbol: place for place, token in enumerate(basis.snapshot.tokens)}
    return tuple(
        _supply_cap(basis, places[symbol], weight, enabled=basis.snapshot.vault.asset(symbol).enabled)
        for symbol, weight in zip(basis.model.symbols, basis.unit_weights, strict=True)
    )


def _supply_cap(basis: Basis, place: int, weight: float, *, enabled: bool) -> Bound:
    snapshot, nav, share = basis.snapshot, basis.nav_usd, basis.policy.size.market_share
    reserve, decimals = snapshot.reserves[place], snapshot.tokens[place].decimals
    name = f"supply_cap:{reserve.symbol}"
    if nav <= 0.0:
        return Bound(name, math.inf, "the vault is empty")
    supplied = snapshot.holdings[place].supplied
    if not reserve.active or reserve.frozen or reserve.paused or reserve.ltv_bps == 0 or not enabled:
        # Zero-LTV collateral that was withdrawn lies idle and may stay.
        limit = float(supplied + snapshot.holdings[place].idle)
        why = "no more may be supplied: " + _why_closed(reserve)
    elif reserve.supply_cap == 0:
        return Bound(name, math.inf, "no supply cap")
    else:
        free = max(0, reserve.supply_cap * 10**decimals - reserve.supplied)
        limit = max(float(supplied), share * (free + supplied))
        why = f"{share:.0%} of what is free under the cap of {reserve.supply_cap} {reserve.symbol}"
    limit += snapshot.elsewhere[place].supplied
    value = limit * snapshot.feeds[place].price / 10 ** (decimals + 8)
    return Bound(name, _levered_to(value / nav, weight), why)


def _levered_to(cap: float, weight: float) -> float:
    """Leverage at which a unit weight reaches ``cap`` NAVs. It is inf for an asset that is not held."""
    return cap / weight if weight > 0.0 else math.inf


def _why_closed(reserve: Reserve) -> str:
    if not reserve.active:
        return "the reserve is not active"
    if reserve.paused:
        return "the reserve is paused"
    if reserve.frozen:
        return "the reserve is frozen"
    return "its loan to value is 0" if reserve.ltv_bps == 0 else "the vault has it disabled"


def borrow_cap(basis: Basis) -> Bound:
    reserve, owed = basis.snapshot.reserves[0], basis.snapshot.holdings[0].owed
    if not reserve.borrowing_enabled or not reserve.active or reserve.frozen or reserve.paused:
        return _debt_bound(basis, "borrow_cap", owed, detail=f"{reserve.symbol} cannot be borrowed now")
    if reserve.borrow_cap == 0:
        return Bound("borrow_cap", math.inf, "no borrow cap")
    free = max(0, reserve.borrow_cap * 10**basis.snapshot.debt_token.decimals - reserve.borrowed)
    limit = max(float(owed), basis.size.market_share * (free + owed))
    detail = f"{basis.size.market_share:.0%} of what is free under the cap"
    return _debt_bound(basis, "borrow_cap", limit, detail=detail)


def liquidity(basis: Basis) -> Bound:
    """Our share of what the reserve has left to lend. Present debt may stay."""
    reserve, owed = basis.snapshot.reserves[0], basis.snapshot.holdings[0].owed
    limit = max(float(owed), basis.size.market_share * (reserve.available + owed))
    free = to_float(reserve.available, basis.snapshot.debt_token.decimals)
    detail = f"{basis.size.market_share:.0%} of {free:,.0f} {reserve.symbol} to lend"
    return _debt_bound(basis, "liquidity", limit, detail=detail)


def utilisation(basis: Basis) -> Bound:
    """Utilisation after our own borrowing. Present debt may stay."""
    owed = basis.snapshot.holdings[0].owed
    highest = basis.size.max_utilisation
    limit = max(float(owed), _debt_at_utilisation(basis, highest))
    return _debt_bound(basis, "utilisation", limit, detail=_lent(basis, highest))


def carry(basis: Basis) -> Bound:
    """Debt at which the reserve's own rate curve, our borrowing included, reaches the highest rate we pay.

    Unlike the other market limits it can be below the present debt: an expensive loan is repaid.
    """
    max_rate = basis.size.max_borrow_rate
    highest = utilisation_at_rate(basis.snapshot.reserves[0].curve, max_rate)
    if highest >= 1.0:
        return Bound("carry", math.inf, f"the curve never asks {max_rate:.1%}")
    limit = max(0.0, _debt_at_utilisation(basis, highest))
    detail = f"borrow rate {max_rate:.1%} at {_lent(basis, highest)}"
    return _debt_bound(basis, "carry", limit, detail=detail)


def carry_worth(basis: Basis) -> Bound:
    """Debt at which one more unit of it costs a year what it earns: the assumed reward for the volatility that it buys,
    and what the collateral yields: the supply rate, and ``AssetPolicy.yearly_yield``.

    Its cost is the marginal one: it also makes all other debt more expensive. As with ``carry``, an expensive loan is
    repaid.
    """
    reward = basis.size.reward_per_risk
    if reward == 0.0:
        return Bound("carry_worth", math.inf, "size.reward_per_risk is 0")
    supply_yield = yield_of_collateral(basis)
    worth = reward * basis.unit_volatility + supply_yield
    reserve, owed = basis.snapshot.reserves[0], basis.snapshot.holdings[0].owed
    limit = debt_at_marginal_rate(
        reserve.curve, worth, others=reserve.borrowed - owed, lendable=reserve.available + reserve.borrowed
    )
    detail = (
        f"one more unit of debt costs {worth:.1%} a year: {reward:g} times the volatility {basis.unit_volatility:.1%}, "
        f"and {supply_yield:.1%} yield"
    )
    return _debt_bound(basis, "carry_worth", limit, detail=detail)


def yield_of_collateral(basis: Basis) -> float:
    """What the portfolio at leverage 1 yields a year: the supply rates, and ``AssetPolicy.yearly_yield``. Of several
    accounts that take an asset, the lowest rate counts: nobody knows yet where it will stand."""
    own = {asset.symbol: asset.yearly_yield for asset in basis.policy.assets}
    lists = [account.reserves for account in accounts(basis.snapshot)]
    rates = {
        here.symbol: min(
            (other.supply_rate for other in reserves if other.active and other.ltv_bps > 0),
            default=here.supply_rate,
        )
        for here, reserves in zip(basis.snapshot.reserves, zip(*lists, strict=True), strict=True)
    }
    return math.fsum(
        weight * (rates[symbol] + own[symbol])
        for symbol, weight in zip(basis.model.symbols, basis.unit_weights, strict=True)
    )


def _debt_at_utilisation(basis: Basis, highest: float) -> float:
    reserve, owed = basis.snapshot.reserves[0], basis.snapshot.holdings[0].owed
    return owed + highest * (reserve.available + reserve.borrowed) - reserve.borrowed


def _lent(basis: Basis, highest: float) -> str:
    reserve = basis.snapshot.reserves[0]
    lendable = reserve.available + reserve.borrowed
    now = reserve.borrowed / lendable if lendable > 0 else 0.0
    return f"{highest:.1%} of {reserve.symbol} lent, now {now:.1%}"


def _debt_bound(basis: Basis, name: str, max_debt: float, *, detail: str) -> Bound:
    """Leverage at ``max_debt`` raw units of the account that the snapshot shows. Other accounts' debt may stay."""
    nav = basis.nav_usd
    if nav <= 0.0:
        return Bound(name, math.inf, "the vault is empty")
    token = basis.snapshot.debt_token
    owed = math.floor(max_debt) + basis.snapshot.elsewhere[0].owed
    debt = usd(owed, token.decimals, basis.snapshot.feeds[0].price) / nav
    return Bound(name, 1.0 - basis.size.idle_buffer + debt, detail)
