"""The plan that ``route`` proposes, its simulation, and the checks on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keeper.domain.account_venue import FIRST_ACCOUNT


class StepKind(StrEnum):
    """In the order of IPortfolio.sol's StepKind."""

    SUPPLY = "SUPPLY"
    WITHDRAW = "WITHDRAW"
    BORROW = "BORROW"
    REPAY = "REPAY"
    SWAP_EXACT_IN = "SWAP_EXACT_IN"
    SWAP_EXACT_OUT = "SWAP_EXACT_OUT"


class VaultCall(StrEnum):
    """Which function of the rebalancer a plan calls."""

    REBALANCE = "rebalance"
    DELEVERAGE = "deleverage"


@dataclass(frozen=True, slots=True)
class Route:
    """A Uniswap V3 path from the token sold to the token bought. ``symbols`` has one more entry than ``fees``."""

    symbols: tuple[str, ...]
    fees: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QuoteRequest:
    """A question to QuoterV2: the output for ``amount_in`` raw of the route's first token."""

    route: Route
    amount_in: int


@dataclass(frozen=True, slots=True)
class Quote:
    """QuoterV2's answer at the pinned block; ``amount_out`` is None where the route cannot fill it."""

    route: Route
    amount_in: int
    amount_out: int | None
    gas: int


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a plan. ``amount`` and ``limit`` are raw; UINT256_MAX means the whole balance.

    ``symbol`` is the token whose amount is exact. ``account`` is the place of the account that supplies, withdraws,
    borrows or repays. ``expected_in`` and ``expected_out`` are the raw amounts that we expect to leave and to enter the
    portfolio. An exact-output swap has a single hop.
    """

    kind: StepKind
    symbol: str
    amount: int
    limit: int
    route: Route | None
    expected_in: int
    expected_out: int
    account: int = FIRST_ACCOUNT.place


@dataclass(frozen=True, slots=True)
class Cost:
    """USD. ``slippage`` is the loss against the feeds' prices beyond the pools' fees; negative is a gain. ``gas``
    includes the fee of a rollup for publishing."""

    gas: float
    fees: float
    slippage: float
    flash: float

    @property
    def total(self) -> float:
        return self.gas + self.fees + self.slippage + self.flash


@dataclass(frozen=True, slots=True)
class PostState:
    """The vault after a plan, expected or read back. ``weights`` are in the snapshot's order of risk assets.
    ``health_factor`` is the lowest of the accounts; ``health_factors`` has each that is managed, in the vault's order,
    where there are several."""

    nav_usd: float
    leverage: float
    health_factor: float
    weights: tuple[float, ...]
    health_factors: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class RebalancePlan:
    """One atomic vault call. ``flash_amount`` is raw of the debt asset, lent to ``account``; ``deadline`` is Unix
    seconds. ``postponed_usd`` is the value of trades left to later cycles, because one block has too little gas for
    them or because the health factor does not let them be made now."""

    call: VaultCall
    epoch: int
    deadline: int
    flash_amount: int
    steps: tuple[Step, ...]
    expected: PostState
    cost: Cost
    gas_limit: int
    turnover_usd: float
    postponed_usd: float
    account: int = FIRST_ACCOUNT.place


@dataclass(frozen=True, slots=True)
class SimulationReport:
    """Result of the exact calldata on the pinned block.

    ``revert`` is the decoded reason, None on success. ``gas`` is what the call needs before refunds. ``post`` is None
    after a revert, and where the node cannot read it. ``l1_fee_wei`` is the rollup's fee for publishing, 0 on other
    chains. ``step_outs`` and ``step_ins`` are what each step brought into the vault and took out of it, raw; empty
    where the node does not report logs."""

    success: bool
    revert: str | None
    gas: int
    post: PostState | None
    method: str
    l1_fee_wei: int
    step_outs: tuple[int, ...]
    step_ins: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """One named comparison of ``verify`` or ``post_trade_checks``; ``passed`` where ``value`` respects ``limit``."""

    name: str
    value: float
    limit: float
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class PlanVerdict:
    passed: bool
    checks: tuple[Check, ...]
