"""An account on Morpho Blue: what its market never changes, and what it is at a block."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keeper.chain.abi import load
from keeper.chain.calls import Answers, Call, call, mapped
from keeper.domain.account_venue import IsolatedMarket
from keeper.domain.errors import WrongContract

_ACCOUNT = load("MorphoBlueAccount")
_RATES = load("AdaptiveCurveIrm")
_TERMS = ("MARKET", "LOAN", "COLLATERAL", "RATES", "LLTV", "MORPHO")
"""In the order of MorphoMarket."""


@dataclass(frozen=True, slots=True)
class MorphoMarket:
    """Addresses in lower case. ``rates`` is the interest rate model, ``lltv`` has 18 decimals."""

    account: str
    market: bytes
    loan: str
    collateral: str
    rates: str
    lltv: int
    morpho: str


@dataclass(frozen=True, slots=True)
class MarketView:
    """Of MorphoBlueAccount.look, raw. The sums are as of ``last_update``, and ``interest`` is missing in both.
    ``price`` has 36 decimals. ``moves``: the market's rate model answers what Morpho asks it, ``borrowRateView``."""

    interest: int
    price: int
    total_supply: int
    total_borrow: int
    last_update: int
    moves: bool


def terms(account: str) -> list[Call[Any]]:
    """The calls that ``market`` needs."""
    return [call("account", account, _ACCOUNT[name]) for name in _TERMS]


def market(account: str, answers: Answers) -> MorphoMarket:
    """Raises WrongContract where the account is not one on Morpho."""
    return MorphoMarket(account, *(answers.first(asked) for asked in terms(account)))


def calls(at: MorphoMarket) -> list[Call[Any]]:
    """What ``state`` and ``has_other_curve`` need of a block."""
    return [look(at.account), rate_at_target(at)]


def state(at: MorphoMarket, symbols: Mapping[str, str], now: int, answers: Answers) -> IsolatedMarket:
    """``symbols`` by the tokens' addresses, ``now`` the block's timestamp. Raises NodeUntrusted where the account does
    not answer, WrongContract where the market has a token that is not among the symbols."""
    seen = answers.of(look(at.account))
    _symbol(at.loan, symbols)
    return IsolatedMarket(
        collateral=_symbol(at.collateral, symbols),
        lltv=at.lltv,
        price=seen.price,
        total_supply=seen.total_supply,
        total_borrow=seen.total_borrow,
        rate_at_target=answers.maybe(rate_at_target(at)) if seen.moves else None,
        interest=seen.interest,
        elapsed_s=now - seen.last_update,
    )


def has_other_curve(at: MorphoMarket, answers: Answers) -> bool:
    """Whether the market's rate model answers Morpho and is not the adaptive curve, by the answers of ``calls``. So
    does that of an account which cannot be read."""
    seen = answers.maybe(look(at.account))
    return seen is None or (seen.moves and answers.maybe(rate_at_target(at)) is None)


def look(account: str) -> Call[MarketView]:
    return mapped("account", account, _ACCOUNT["look"], _view)


def rate_at_target(at: MorphoMarket) -> Call[int]:
    """As of the market's last update; 0 before its first. Only the adaptive curve has it, and Morpho never asks it."""
    return call("interest rate model", at.rates, _RATES["rateAtTarget"], at.market)


def _symbol(token: str, symbols: Mapping[str, str]) -> str:
    if token not in symbols:
        raise WrongContract(
            f"the token {token} of the account's market on Morpho is not listed in the vault",
            remedy="List the token, or open an account on a market of listed tokens.",
        )
    return symbols[token]


def _view(members: tuple[Any, ...]) -> MarketView:
    _, _, interest, price, state, moves = members
    supplied, _, borrowed, _, last_update, _ = state
    return MarketView(
        interest,
        price=price,
        total_supply=supplied,
        total_borrow=borrowed,
        last_update=last_update,
        moves=moves,
    )
