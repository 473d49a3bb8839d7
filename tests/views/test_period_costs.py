"""What was paid, summed by day, week and month."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from keeper.domain.tx import AttemptKind
from keeper.views.period_costs import COSTS, FlashPremium, GasBill, Paid, Per, trading_costs
from tests.factories import an_executed_swap

ETH = 10**18


def at(year: int, month: int, day: int, hour: int = 0) -> int:
    return int(datetime(year, month, day, hour, tzinfo=UTC).timestamp())


def a_bill(
    moment: int, *, succeeded: bool = True, usd: float | None = 2_000.0, kind: AttemptKind = AttemptKind.CALL
) -> GasBill:
    return GasBill(moment, kind, succeeded, ETH // 1_000, coin_usd=usd, measured=True)


JUNE, SUNDAY, JULY = at(2023, 6, 15, 23), at(2023, 6, 18), at(2023, 7, 1)


def test_a_trade_costs_gas_fees_slippage_and_the_flash_loan() -> None:
    paid = Paid((an_executed_swap(at=JUNE),), (a_bill(JUNE),), (FlashPremium(JUNE, 3.5),))
    (period,) = trading_costs(paid, ("WETH",), Per.DAY).periods
    assert (period.since, period.until) == (at(2023, 6, 15), at(2023, 6, 16))
    assert (period.calls, period.failures, period.value_usd) == (1, 0, 10_000.0)
    assert period.gas_eth == pytest.approx(0.001)
    assert period.gas_usd == pytest.approx(2.0)
    assert period.fees_usd == pytest.approx(5.0)
    assert period.slippage_usd == pytest.approx(6.0)
    assert period.total_usd == pytest.approx(2.0 + 5.0 + 6.0 + 3.5)


@pytest.mark.parametrize(
    ("per", "begins"),
    [
        (Per.DAY, [at(2023, 6, 15), at(2023, 6, 18), at(2023, 7, 1)]),
        (Per.WEEK, [at(2023, 6, 12), at(2023, 6, 26)]),
        (Per.MONTH, [at(2023, 6, 1), at(2023, 7, 1)]),
    ],
)
def test_periods_begin_at_midnight_on_mondays_or_on_the_first(per: Per, begins: list[int]) -> None:
    paid = Paid(gas=tuple(map(a_bill, (JULY, SUNDAY, JUNE))))
    costs = trading_costs(paid, (), per)
    assert [period.since for period in costs.periods] == begins
    assert sum(period.calls for period in costs.periods) == 3
    assert costs.total is not None
    assert costs.total.calls == 3
    assert costs.total.until == costs.periods[-1].until


def test_a_month_ends_where_the_next_begins() -> None:
    (december,) = trading_costs(Paid(gas=(a_bill(at(2023, 12, 31)),)), (), Per.MONTH).periods
    assert december.until == at(2024, 1, 1)


def test_reverted_and_cancelled_transactions_cost_gas_and_are_failures() -> None:
    bills = (a_bill(JUNE, succeeded=False), a_bill(JUNE, kind=AttemptKind.CANCEL), a_bill(JUNE))
    (period,) = trading_costs(Paid(gas=bills), (), Per.DAY).periods
    assert (period.calls, period.failures) == (1, 2)
    assert period.gas_usd == pytest.approx(6.0)


def test_a_call_whose_swaps_are_not_in_the_journal_is_counted_as_unmeasured() -> None:
    bills = (
        a_bill(JUNE),
        replace(a_bill(JUNE), measured=False),
        replace(a_bill(JUNE, succeeded=False), measured=False),
        replace(a_bill(JUNE, kind=AttemptKind.CANCEL), measured=False),
    )
    (period,) = trading_costs(Paid(gas=bills), (), Per.DAY).periods
    assert (period.calls, period.unmeasured, period.failures) == (2, 1, 2)


def test_without_the_price_of_one_transaction_the_sum_is_not_known() -> None:
    (period,) = trading_costs(Paid(gas=(a_bill(JUNE), a_bill(JUNE, usd=None))), (), Per.DAY).periods
    assert period.gas_eth == pytest.approx(0.002)
    assert period.gas_usd is None
    assert period.total_usd is None


def test_without_a_cost_there_is_no_period() -> None:
    assert COSTS.json(trading_costs(Paid(), ("WETH",), Per.MONTH)) == {
        "assets": [],
        "periods": [],
        "total": None,
    }
