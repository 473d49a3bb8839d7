"""Everything that can go wrong, in one tree; each branch has one exit code and says what the operator can do.

KeeperError
├── BadInput            2   a setting, an argument or a number given to the mathematics is wrong: nothing started
├── Unavailable         3   a node, feed or service did not answer: try the next cycle
├── Untrusted           4   data is stale or contradictory: risk may only be lowered
├── Refused             5   a cap, a failed check or a revert: nothing was sent, or it had no effect
├── OutcomeUnknown      6   something may have been sent: no new sends until it is reconciled
└── Halted              7   needs a person: kill switch, foreign transaction, corrupt journal

HOLD is a decision, not an error. Exit code 1 is an unexpected failure (a bug).
"""

from __future__ import annotations

from typing import ClassVar


class KeeperError(Exception):
    """An expected failure. ``name`` is what the operator looks up; ``remedy`` is what to do about it."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    @property
    def name(self) -> str:
        return type(self).__name__


class BadInput(KeeperError):
    """A setting, argument or number is wrong: names the field, the value and the remedy."""

    exit_code = 2


class Unavailable(KeeperError):
    """Something outside did not answer."""

    exit_code = 3


class Untrusted(KeeperError):
    """An answer is stale, impossible or contradicts another."""

    exit_code = 4


class Refused(KeeperError):
    """We, or the chain, declined to do it; nothing changed."""

    exit_code = 5


class OutcomeUnknown(KeeperError):
    """A transaction may or may not have been accepted."""

    exit_code = 6


class Halted(KeeperError):
    """Only a person can let it go on."""

    exit_code = 7


# ------------------------------------------------------------------ bad input


class InvalidSetting(BadInput):
    """A setting is missing or wrong."""


class WrongChain(BadInput):
    """The node's chain id is not the configured one."""


class WrongContract(BadInput):
    """No code, or another contract's code, at a configured address."""


class InvalidCovariance(BadInput):
    """Not finite, not symmetric, not positive definite, or of the wrong shape."""


class InvalidBudgets(BadInput):
    """Risk budgets that are not positive, or do not match the assets."""


class RecordNotFound(BadInput):
    """No record, or more than one, has an id that starts like this."""


class NothingToReplay(BadInput):
    """The record's cycle ended before it had anything to conclude from."""


class NoEstimate(Untrusted):
    """There is too little history for an asset to have a volatility."""


# ----------------------------------------------------------------- unavailable


class NodeUnavailable(Unavailable):
    """No answer from the node, or not one that can be read."""


class RpcError(NodeUnavailable):
    """The node answered with a JSON-RPC error: its code, its message (``text``), its data."""

    def __init__(self, method: str, code: int, text: str, data: object) -> None:
        super().__init__(
            f"{method}: the node answers with error {code}: {text}",
            remedy="The keeper tries again next cycle; if it lasts, check the node and KEEPER_RPC_URL.",
        )
        self.method = method
        self.code = code
        self.text = text
        self.data = data


class SchedulerUnavailable(Unavailable):
    """The Dask scheduler of a sweep did not answer."""


class SignerUnavailable(Unavailable):
    """The remote signer did not answer, or declined."""


class FeedUnavailable(Unavailable):
    """No answer from an HTTP price or volatility source."""


# ------------------------------------------------------------------- untrusted


class NodeUntrusted(Untrusted):
    """The node's answers contradict each other or the protocol."""


class SignerUntrusted(Untrusted):
    """The remote signer returned something else than was asked for."""


# --------------------------------------------------------------------- refused


class SimulationFailed(Refused):
    """The exact calldata reverts, or its post-state is not what the plan expects."""


class NothingFeasible(Refused):
    """No plan leads to the goal within the limits."""


class SolverFailed(Refused):
    """The risk budgets could not be solved to the precision promised."""


class Reverted(Refused):
    """The transaction was mined and reverted."""


class Overtaken(Refused):
    """Another transaction of this key took the nonce: what an emergency superseded, or the no-op that cancels."""


class GasUnaffordable(Refused):
    """The base fee is above the cap of this urgency, or the key cannot pay for the gas."""


class NotAuthorised(Refused):
    """The key lacks the role, or the payload is outside the allowlist."""


# -------------------------------------------------------------- outcome unknown


class StillInFlight(OutcomeUnknown):
    """A transaction of this key has no final outcome yet; nothing else is sent."""


# ---------------------------------------------------------------------- halted


class JournalCorrupt(Halted):
    """The journal's rows contradict each other or the chain."""


class JournalUnwritable(Halted):
    """The journal cannot be written: nothing is sent without a row."""


class JournalTooNew(Halted):
    """The journal was written by a newer version: this one does not know what its rows promise."""


class JournalTooOld(Halted):
    """The journal has an older schema. `keeper run` migrates that of a release; one from before 0.1.0 is refused."""


class AlreadyRunning(Halted):
    """Another process holds this key or journal."""


class Tampered(Halted):
    """Program, ABIs or settings are not those that were sealed."""


class PostStateUnexpected(Halted):
    """The mined rebalance left the vault outside what was verified before sending."""
