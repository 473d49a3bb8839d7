"""Vault and market after a fall, and after a trade that is only considered."""

from __future__ import annotations

from dataclasses import dataclass, replace

from keeper.domain.accounts import accounts, showing, with_accounts
from keeper.domain.decision import Goal
from keeper.domain.market import MarketSnapshot
from keeper.domain.observation import Observation
from keeper.domain.other_prices import at_prices
from keeper.domain.placement import Placement
from keeper.domain.policy import Policy
from keeper.domain.portfolio import portfolio
from keeper.lending.aave import AaveV3
from keeper.lending.venues import account_of
from keeper.sizing.tighten import Tightened, tighten


@dataclass(frozen=True, slots=True)
class Scene:
    """What the keeper would know after a fall. ``policy`` is tightened by the vault's own."""

    observation: Observation
    policy: Policy
    tightened: tuple[Tightened, ...]

    @property
    def snapshot(self) -> MarketSnapshot:
        return self.observation.snapshot


def scene_of(observation: Observation, policy: Policy) -> Scene:
    """The present, without requests of a person: the drill asks what the keeper does by itself."""
    tight, tightened = tighten(policy, observation.snapshot.vault)
    seen = Observation(
        observation.snapshot,
        learned_costs=observation.learned_costs,
        second_opinions=observation.second_opinions,
    )
    return Scene(seen, tight, tightened)


def fallen(scene: Scene, fall: float) -> Scene:
    """After a joint fall of all risk assets, at the drill's price of gas or the present one where that is higher."""
    snapshot = scene.snapshot
    prices = {
        symbol: max(1, round(price * (1.0 - fall)))
        for symbol in snapshot.risk_symbols
        if (price := snapshot.price(symbol)) > 0
    }
    moved = at_prices(snapshot, prices) if fall else snapshot
    base_fee_wei = max(snapshot.block.base_fee_wei, scene.policy.drill.gas_price_wei)
    return with_snapshot(scene, replace(moved, block=replace(moved.block, base_fee_wei=base_fee_wei)))


def traded(scene: Scene, goal: Goal, placement: Placement | None = None) -> Scene:
    """After a trade to the goal that costs nothing: all risk assets supplied, debt for what NAV does not pay, the idle
    buffer beside it. Other accounts stay as they are, and the one that the snapshot shows makes up the rest. Its
    reserves have what the trade supplied more to give back, and what it borrowed less to lend. With a ``placement``
    each account holds its part.
    """
    if placement is not None:
        return _across(scene, goal, placement)
    snapshot, elsewhere = scene.snapshot, scene.snapshot.elsewhere
    nav, cash = portfolio(snapshot).nav_usd, snapshot.debt_token.symbol
    weights = dict(zip(goal.symbols, goal.weights, strict=True))
    idle = max(1.0 - goal.leverage, scene.policy.size.idle_buffer)
    owed = max(0.0, goal.leverage + idle - 1.0)
    holdings = [
        replace(
            snapshot.holdings[0],
            idle=snapshot.raw_worth(cash, idle * nav),
            owed=max(0, snapshot.raw_worth(cash, owed * nav) - elsewhere[0].owed),
        ),
        *(
            replace(
                holding,
                idle=0,
                supplied=max(
                    0,
                    snapshot.raw_worth(holding.symbol, weights.get(holding.symbol, 0.0) * nav)
                    - other.supplied,
                ),
            )
            for holding, other in zip(snapshot.holdings[1:], elsewhere[1:], strict=True)
        ),
    ]
    reserves = tuple(
        replace(
            reserve,
            available=max(0, reserve.available + (new.supplied - old.supplied) - (new.owed - old.owed)),
        )
        for reserve, old, new in zip(snapshot.reserves, snapshot.holdings, holdings, strict=True)
    )
    supplied = {holding.symbol: holding.supplied for holding in holdings}
    account = AaveV3.of(snapshot).account(supplied, holdings[0].owed)
    return with_snapshot(
        scene, replace(snapshot, holdings=tuple(holdings), reserves=reserves, account=account)
    )


def _across(scene: Scene, goal: Goal, placement: Placement) -> Scene:
    """As ``traded``, where each account holds its part of the placement."""
    snapshot = scene.snapshot
    nav, cash = portfolio(snapshot).nav_usd, snapshot.debt_token.symbol
    weights = dict(zip(goal.symbols, goal.weights, strict=True))
    idle = max(1.0 - goal.leverage, scene.policy.size.idle_buffer)
    debts = placement.debt_shares()
    owed_usd = max(0.0, goal.leverage + idle - 1.0) * nav
    changed = []
    for account in accounts(snapshot):
        place = account.venue.place
        owed = snapshot.raw_worth(cash, debts.get(place, 0.0) * owed_usd)
        supplied = {
            symbol: snapshot.raw_worth(
                symbol,
                placement.collateral_shares(symbol).get(place, 0.0) * weights[symbol] * nav,
            )
            if symbol in weights
            else account.supplied[index]
            for index, symbol in enumerate(snapshot.symbols)
        }
        debts_after = (owed, *account.owed[1:])
        reserves = tuple(
            replace(
                reserve, available=max(0, reserve.available + supplied[reserve.symbol] - had - (now - then))
            )
            for reserve, had, now, then in zip(
                account.reserves, account.supplied, debts_after, account.owed, strict=True
            )
        )
        changed.append(
            replace(
                account,
                supplied=tuple(supplied.values()),
                owed=debts_after,
                reserves=reserves,
                account=account_of(showing(snapshot, place), supplied, owed),
            )
        )
    holdings = (
        replace(snapshot.holdings[0], idle=snapshot.raw_worth(cash, idle * nav)),
        *(
            replace(holding, idle=0) if holding.symbol in weights else holding
            for holding in snapshot.holdings[1:]
        ),
    )
    return with_snapshot(scene, with_accounts(replace(snapshot, holdings=holdings), changed))


def with_snapshot(scene: Scene, snapshot: MarketSnapshot) -> Scene:
    return replace(scene, observation=replace(scene.observation, snapshot=snapshot))
