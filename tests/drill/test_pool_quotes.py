"""What a pool returns by its liquidity in range, in whole units of tokens."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keeper.domain.plan import QuoteRequest, Route
from keeper.domain.pool_state import PoolLiquidity
from keeper.drill.pool_quotes import FEE_UNIT, Q96, amount_out, pool_quotes
from tests.factories import a_depth, a_snapshot, with_depths
from tests.properties import examples

POOLS = st.builds(
    PoolLiquidity,
    symbol=st.just("WETH"),
    quote=st.just("USDC"),
    fee=st.sampled_from([100, 500, 3_000, 10_000]),
    asset_is_token0=st.booleans(),
    sqrt_price=st.integers(2**70, 2**120),
    liquidity=st.integers(10**12, 10**24),
    mean_liquidity=st.none(),
)


@examples(200)
@given(POOLS, st.sampled_from(["WETH", "USDC"]), st.integers(1, 10**24))
@example(
    PoolLiquidity(
        symbol="WETH",
        quote="USDC",
        fee=100,
        asset_is_token0=False,
        sqrt_price=2**70,
        liquidity=2_359_897_671_482_780_690_352,
        mean_liquidity=None,
    ),
    "WETH",
    2,
)
def test_a_sale_returns_the_constant_product_and_never_more(
    pool: PoolLiquidity, sold: str, amount: int
) -> None:
    """The pool rounds its price to a whole square root, which returns at most a share of 1 / sqrt_price of the reserve
    too little, and then rounds what it returns down."""
    root = Fraction(pool.sqrt_price, Q96)
    token0, token1 = pool.liquidity / root, pool.liquidity * root
    reserve, other = (token0, token1) if (sold == "WETH") == pool.asset_is_token0 else (token1, token0)
    kept = amount * (FEE_UNIT - pool.fee) // FEE_UNIT
    exact = other * kept / (reserve + kept)
    assert exact - other / pool.sqrt_price - 1 < amount_out(pool, sold, amount) <= exact


def test_the_smaller_of_present_and_mean_liquidity_counts() -> None:
    snapshot = a_snapshot()
    pool = a_depth(snapshot, "WETH", "USDC", 500, 1e6)
    thin = a_depth(snapshot, "WETH", "USDC", 500, 1e6, mean_liquidity=pool.liquidity // 10)
    assert amount_out(thin, "WETH", 10**20) < amount_out(pool, "WETH", 10**20)


@pytest.mark.parametrize(
    "route",
    [Route(("LINK", "USDC"), (100,)), Route(("LINK", "WETH", "USDC"), (3_000, 10_000))],
)
def test_a_pool_that_is_not_there_returns_nothing(route: Route) -> None:
    (quote,) = pool_quotes([QuoteRequest(route, 10**18)], with_depths(a_snapshot()))
    assert quote.amount_out is None


def test_two_hops_go_through_both_pools() -> None:
    snapshot = with_depths(a_snapshot())
    first, second, both = pool_quotes(
        [
            QuoteRequest(Route(("LINK", "WETH"), (3_000,)), 10**21),
            QuoteRequest(Route(("WETH", "USDC"), (500,)), 10**18),
            QuoteRequest(Route(("LINK", "WETH", "USDC"), (3_000, 500)), 10**21),
        ],
        snapshot,
    )
    assert first.amount_out is not None
    assert second.amount_out is not None
    (again,) = pool_quotes([QuoteRequest(Route(("WETH", "USDC"), (500,)), first.amount_out)], snapshot)
    assert both.amount_out == again.amount_out
