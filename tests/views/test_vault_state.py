"""What ``keeper vault show`` makes of a vault's numbers."""

from __future__ import annotations

from keeper.domain.units import UINT256_MAX
from keeper.domain.vault_state import AccountHealth, RoleHolder
from keeper.views.vault_state import UNLIMITED, VAULT_STATE, limit_rows, requests_rows
from tests.factories.vault_states import a_vault_state, an_address


def test_redemptions_are_worth_their_part_of_the_net_assets() -> None:
    deposits, redemptions = requests_rows(a_vault_state())
    assert (deposits.pending, deposits.worth) == (10**9, 10**9)
    assert (redemptions.pending, redemptions.worth) == (10**16, 10**10)


def test_a_vault_without_shares_has_no_price_of_one() -> None:
    empty = a_vault_state(total_shares=0, net_assets=0)
    assert VAULT_STATE.json(empty)["share_price"] is None
    assert requests_rows(empty)[1].worth == 0
    assert VAULT_STATE.json(a_vault_state())["share_price"] == 1.0


def test_what_is_counted_in_a_window_stands_beside_its_limit() -> None:
    counted = {row.name: row.used for row in limit_rows(a_vault_state()) if row.used is not None}
    assert counted == {"loss in 24 hours": 0.004, "sold in 24 hours": 0.8, "guardian's loss in 24 hours": 0.0}


def test_what_does_not_exist_is_null() -> None:
    state = a_vault_state()
    bare = a_vault_state(
        last_call=0,
        levering_closed_until=state.block.timestamp,
        roles=(RoleHolder("keeper", None),),
        accounts=(AccountHealth(an_address(9), UINT256_MAX, positions=()),),
        terms=type(state.terms)(UNLIMITED, False, 0, 0, 0, an_address(0)),
    )
    told = VAULT_STATE.json(bare)
    assert (told["last_call"], told["levering_closed_until"], told["cap"]) == (None, None, None)
    assert told["roles"][0]["account"] is None
    assert told["accounts"][0]["health_factor"] == float("inf")
