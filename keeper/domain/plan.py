"""What ``route`` proposes and ``verify`` judges: typed steps, their expected effect and cost, and the
simulation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class StepKind(StrEnum):
    """In the order of IRiskParityVault.StepKind."""

    SUPPLY = "SUPPLY"
    WITHDRAW = "WITHDRAW"
    BORROW = "BORROW"
    REPAY = "REPAY"
    SWAP_EXACT_IN = "SWAP_EXACT_IN"
    SWAP_EXACT_OUT = "SWAP_EXACT_OUT"


class VaultCall(StrEnum):
    """Which function of the vault a plan calls."""

    REBALANCE = "rebalance"
    DELEVERAGE = "deleverage"


@dataclass(frozen=True, slots=True)
class Route:
    """A Uniswap V3 path from the token sold to the token bought: ``symbols`` has one more entry than
    ``fees``."""

    symbols: tuple[str, ...]
    fees: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """Ask QuoterV2 for ``amount_in`` raw of the route's first token."""

    route: Route
    amount_in: int


@dataclass(frozen=True, slots=True)
class Quote:
    """QuoterV2's answer at the pinned block; ``amount_out`` is None when the route cannot fill it."""

    route: Route
    amount_in: int
    amount_out: int | None
    gas: int


@dataclass(frozen=True, slots=True)
class Step:
    """IRiskParityVault.Step. ``amount`` and ``limit`` raw; UINT256_MAX means all there is.

    ``symbol`` is the token whose amount is exact. ``expected_in``/``expected_out`` (raw) are what we believe
    will move.
    """

    kind: StepKind
    symbol: str
    amount: int
    limit: int
    route: Route | None
    expected_in: int
    expected_out: int


@dataclass(frozen=True, slots=True)
class Cost:
    """USD, all positive. ``slippage`` is price impact beyond the pools' fees, against oracle prices; ``gas`` contains
    what a rollup charges for publishing."""

    gas: float
    fees: float
    slippage: float
    flash: float

    @property
    def total(self) -> float:
        return self.gas + self.fees + self.slippage + self.flash


@dataclass(frozen=True, slots=True)
class PostState:
    """The vault after a plan, expected or read back. ``weights`` in the snapshot's order of risk assets."""

    nav_usd: float
    leverage: float
    health_factor: float
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RebalancePlan:
    """One atomic vault call. ``flash_amount`` raw of the debt asset; ``deadline`` is Unix seconds. ``postponed_usd``
    came later: the value of trades left to later cycles because a block has no gas for them."""

    call: VaultCall
    epoch: int
    deadline: int
    flash_amount: int
    steps: tuple[Step, ...]
    expected: PostState
    cost: Cost
    gas_limit: int
    turnover_usd: float
    postponed_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """The exact calldata on the pinned block. ``revert`` is the decoded reason, None on success; ``post``
    then is None. Later came ``l1_fee_wei``, what a rollup charges for publishing it, beside its gas, 0 where none; and
    ``step_outs`` and ``step_ins``, what each step brought into the vault and took out of it, raw, empty where the node
    does not tell."""

    success: bool
    revert: str | None
    gas: int
    post: PostState | None
    method: str
    l1_fee_wei: int = 0
    step_outs: tuple[int, ...] = ()
    step_ins: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """One named comparison of ``verify`` or ``post_trade``; ``passed`` says whether the value respects the limit."""

    name: str
    value: float
    limit: float
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class PlanVerdict:
    passed: bool
    checks: tuple[Check, ...]
