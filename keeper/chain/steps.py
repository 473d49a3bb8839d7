"""What each step of a vault call took out and brought in, by the vault's own StepExecuted events."""

from __future__ import annotations

from collections.abc import Sequence

from keeper.chain.abi import DecodeError, decode_values
from keeper.jsonrpc.answers import Log

STEP_EXECUTED = "0xd5b61904bdd57e4f781f0df0d98a985659d68865488bc0c06325019856837e61"
"""StepExecuted(uint256 indexed epoch, uint256 index, uint8 kind, address token, uint256 amountIn, uint256 amountOut):
the first topic."""
DATA = ("uint256", "uint8", "address", "uint256", "uint256")


def step_amounts(vault: str, steps: int, logs: Sequence[Log]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """By step what came into the vault and what left it, raw: for a swap, what the router returned and took. Both are
    empty where ``logs`` (of a receipt, or of a simulated call) do not tell it of each of ``steps``."""
    amounts: dict[int, tuple[int, int]] = {}
    for log in logs:
        if log.address != vault.lower() or log.topics[:1] != (STEP_EXECUTED,):
            continue
        try:
            place, _, _, went, came = decode_values(DATA, log.data)
        except DecodeError:
            return (), ()
        amounts[place] = (came, went)
    if sorted(amounts) != list(range(steps)):
        return (), ()
    moved = [amounts[place] for place in range(steps)]
    return tuple(came for came, _ in moved), tuple(went for _, went in moved)
