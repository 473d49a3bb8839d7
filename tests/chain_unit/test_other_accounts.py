"""Which accounts of a vault the keeper manages, by what they answer."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from keeper.chain.calls import Answers, Call, CallResult
from keeper.chain.contracts import emode, morpho, vault
from keeper.chain.contracts.morpho import MorphoMarket
from keeper.chain.other_accounts import (
    BlockRead,
    OtherAccount,
    first_calls,
    lending_account,
    managed_accounts,
    require_managed,
    second_calls,
    state_calls,
)
from keeper.domain.errors import AccountNotManaged
from keeper.domain.market import LendingAccount
from tests.factories import a_reserve, an_address

POOL, OTHER_POOL = an_address(0x900).lower(), an_address(0x901).lower()
USDC, WETH, DAI = (an_address(0x100 + place).lower() for place in range(3))
ACCOUNTS = tuple(an_address(0xA0 + place).lower() for place in range(3))
RATES, MORPHO, MARKET = an_address(0xE0).lower(), an_address(0xE1).lower(), b"\x07" * 32
NOTHING = CallResult(success=False, data=b"")
VIEW = "(uint256,uint256,uint256,uint256,(uint128,uint128,uint128,uint128,uint128,uint128),bool)"
"""MorphoBlueAccount.MarketView."""


def word(kind: str, value: object) -> CallResult:
    return CallResult(success=True, data=encode([kind], [value]))


def on_aave(account: str, pool: str = POOL) -> dict[bytes, CallResult]:
    return {_key(vault.lending_pool(account)): word("address", pool)}


def on_morpho(account: str, loan: str = USDC, collateral: str = WETH) -> dict[bytes, CallResult]:
    kinds = ("bytes32", "address", "address", "address", "uint256", "address")
    values = (MARKET, loan, collateral, RATES, 86 * 10**16, MORPHO)
    return {
        _key(call): word(kind, value)
        for call, kind, value in zip(morpho.terms(account), kinds, values, strict=True)
    }


def _key(call: Call[Any]) -> bytes:
    return call.target.lower().encode() + call.data


def seen_by(account: str, *, moves: bool) -> dict[bytes, CallResult]:
    """What an account on Morpho says of its market."""
    view = ((10 * 10**18, 0, 7, 1_700 * 10**24, (0,) * 6, moves),)
    return {_key(morpho.look(account)): CallResult(success=True, data=encode([VIEW], view))}


def managed(
    *known: dict[bytes, CallResult], curve: bool = True, moves: bool = True
) -> list[tuple[int, bool]]:
    """The place of each account that is managed, and whether it is on Morpho."""
    told = {key: result for part in known for key, result in part.items()}
    first = first_calls(ACCOUNTS)
    answers = Answers(first, [told.get(_key(call), NOTHING) for call in first], "a node")
    second = second_calls(ACCOUNTS, POOL, answers)
    looks = seen_by(ACCOUNTS[1], moves=moves) | seen_by(ACCOUNTS[2], moves=moves)
    outcomes = [
        word("uint256", 10**9)
        if call.target == RATES and curve
        else word("uint256", 3)
        if call.target == POOL
        else looks.get(_key(call), NOTHING)
        for call in second
    ]
    return [
        (other.place, other.market is not None)
        for other in managed_accounts(
            ACCOUNTS, POOL, (USDC, WETH), first=answers, second=Answers(second, outcomes, "a node")
        )
    ]


def test_accounts_on_the_same_pool_and_on_markets_in_the_accounting_asset_are_managed() -> None:
    assert managed(on_aave(ACCOUNTS[1]), on_morpho(ACCOUNTS[2])) == [(1, False), (2, True)]
    assert managed(on_morpho(ACCOUNTS[1])) == [(1, True)]


@pytest.mark.parametrize(
    "answers",
    [
        {},
        on_aave(ACCOUNTS[1], OTHER_POOL),
        on_morpho(ACCOUNTS[1], loan=DAI),
        on_morpho(ACCOUNTS[1], collateral=DAI),
    ],
    ids=["no known venue", "another pool", "another loan token", "collateral that is not read"],
)
def test_what_is_not_known_is_not_managed(answers: dict[bytes, CallResult]) -> None:
    assert managed(answers) == []


def test_another_rate_model_than_the_adaptive_curve_is_not_managed() -> None:
    assert managed(on_morpho(ACCOUNTS[1]), curve=False) == []


def test_a_rate_model_that_answers_nothing_at_a_start_is_managed_as_paused() -> None:
    """Its debt would stop the keeper otherwise (AccountNotManaged)."""
    assert managed(on_morpho(ACCOUNTS[1]), curve=False, moves=False) == [(1, True)]


@pytest.mark.parametrize(("supplied", "owed", "refused"), [(10**9, 0, False), (0, 1, True)])
def test_debt_where_nobody_manages_is_refused_and_a_gift_is_not(
    supplied: int, owed: int, refused: bool
) -> None:
    """Anybody can supply on behalf of an account, so a supply there must not stop the keeper."""
    calls = [vault.position(account, (USDC, WETH)) for account in ACCOUNTS]
    amounts = [(0, 10**12), (supplied, owed), (0, 10**12)]
    outcomes = [
        CallResult(
            success=True,
            data=encode(["uint256[]", "uint256[]", "uint256[]"], [[given, 0], [due, 0], [0, 0]]),
        )
        for given, due in amounts
    ]
    answers = Answers(calls, outcomes, "a node")
    require_managed(ACCOUNTS, (0, 1, 2), (USDC, WETH), answers=answers)
    if not refused:
        require_managed(ACCOUNTS, (0, 2), (USDC, WETH), answers=answers)
        return
    with pytest.raises(AccountNotManaged, match="account 1 .* has debt"):
        require_managed(ACCOUNTS, (0, 2), (USDC, WETH), answers=answers)


def test_each_account_on_aave_has_its_own_category() -> None:
    first = first_calls(ACCOUNTS)
    known = on_aave(ACCOUNTS[1]) | on_aave(ACCOUNTS[2])
    answers = Answers(first, [known.get(_key(call), NOTHING) for call in first], "a node")
    second = [emode.chosen(POOL, account) for account in ACCOUNTS[1:]]
    chosen = Answers(second, [word("uint256", 1), word("uint256", 4)], "a node")
    others = managed_accounts(ACCOUNTS, POOL, (USDC, WETH), first=answers, second=chosen)
    assert [other.category for other in others] == [1, 4]


def a_morpho_account(
    *,
    price: int = 1_700 * 10**24,
    rate: CallResult | None = None,
    owed: int = 30_000 * 10**6,
    moves: bool = True,
) -> LendingAccount:
    """10 WETH, as the calls of one block tell it. ``price`` has 36 decimals."""
    account = ACCOUNTS[1]
    market = MorphoMarket(account, MARKET, USDC, WETH, RATES, 86 * 10**16, MORPHO)
    other = OtherAccount(1, account, category=0, market=market)
    weth, state = 10 * 10**18, (50_000 * 10**6, 0, 40_000 * 10**6, 0, 1_000, 0)
    view = ((weth, owed, 7, price, state, moves),)
    calls = [vault.position(account, (USDC, WETH)), *state_calls([other], POOL)]
    told = {
        _key(vault.position(account, (USDC, WETH))): CallResult(
            success=True,
            data=encode(["uint256[]", "uint256[]", "uint256[]"], [[0, weth], [owed, 0], [0, 0]]),
        ),
        _key(vault.health_factor(account)): word("uint256", 12 * 10**17),
        _key(morpho.look(account)): CallResult(
            success=True,
            data=encode([VIEW], view),
        ),
        _key(morpho.rate_at_target(market)): rate or word("uint256", 10**9),
    }
    read = BlockRead(
        pool=POOL,
        symbols={USDC: "USDC", WETH: "WETH"},
        listed=(USDC, WETH),
        reserves=lambda _: (a_reserve("USDC"), a_reserve("WETH")),
        flash_premium_bps=5,
        now=1_012,
        answers=Answers(calls, [told[_key(call)] for call in calls], "a node"),
    )
    return lending_account(other, read)


def test_an_account_on_morpho_is_read_as_reserves_that_plans_understand() -> None:
    account = a_morpho_account()
    cash, weth = account.reserves
    assert (account.supplied, account.owed) == ((0, 10 * 10**18), (30_000 * 10**6, 0))
    assert (account.account.health_factor, account.flash_premium_bps) == (12 * 10**17, 0)
    assert (cash.available, cash.active, cash.ltv_bps) == (10_000 * 10**6, True, 0)
    assert (weth.available, weth.ltv_bps, weth.liquidation_threshold_bps) == (10 * 10**18, 8_600, 8_600)
    assert account.venue.market is not None
    assert account.venue.market.elapsed_s == 12


def test_a_dead_oracle_keeps_collateral_where_there_is_debt() -> None:
    assert a_morpho_account(price=0).reserves[1].available == 0
    assert a_morpho_account(price=0, owed=0).reserves[1].available == 10 * 10**18


def test_under_a_dead_rate_model_the_market_counts_as_paused_and_the_rest_is_read() -> None:
    assert all(reserve.paused for reserve in a_morpho_account(rate=NOTHING).reserves)


def test_a_rate_model_that_does_not_answer_morpho_is_dead_though_it_answers_us() -> None:
    """Morpho asks ``borrowRate``, the keeper's curve is from ``rateAtTarget``."""
    account = a_morpho_account(moves=False)
    assert all(reserve.paused for reserve in account.reserves)
    assert account.venue.market is not None
    assert account.venue.market.rate_at_target is None
