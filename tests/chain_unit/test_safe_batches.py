"""How the calls of a Safe are cut into batches."""

from __future__ import annotations

from keeper.chain.admin.safe_batches import MAX_BATCH_GAS, SafeCall, batches


def a_call(what: str, gas: int, *, with_previous: bool = False, alone: bool = False) -> SafeCall:
    return SafeCall(what, "0x" + "11" * 20, b"", gas=gas, with_previous=with_previous, alone=alone)


def cut(*calls: SafeCall) -> list[str]:
    return ["".join(call.what for call in batch) for batch in batches(calls)]


def test_a_batch_has_the_gas_of_one_transaction() -> None:
    half = MAX_BATCH_GAS // 2
    assert cut(a_call("a", half), a_call("b", half), a_call("c", 1), a_call("d", 2 * MAX_BATCH_GAS)) == [
        "ab",
        "c",
        "d",
    ]


def test_a_role_is_given_with_the_set_up_or_not_at_all() -> None:
    made, set_up = a_call("m", MAX_BATCH_GAS - 10), a_call("s", 9)
    assert cut(made, set_up, a_call("r", 2, with_previous=True), a_call("r", 2, with_previous=True)) == [
        "m",
        "srr",
    ]


def test_a_deployer_that_anybody_can_make_first_is_in_a_batch_of_its_own() -> None:
    assert cut(a_call("d", 1, alone=True), a_call("a", 1), a_call("b", 1)) == ["d", "ab"]
