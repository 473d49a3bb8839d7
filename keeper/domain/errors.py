"""All expected errors, in one tree. Each branch has one exit code, and says what the operator can do.

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
    """An expected failure. ``name`` stands in docs/exit-codes.md; ``remedy`` says what the operator can do."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    @property
    def name(self) -> str:
        return type(self).__name__


class BadInput(KeeperError):
    """A setting, argument or number is wrong. The message names the field and the value."""

    exit_code = 2


class Unavailable(KeeperError):
    """An outside service did not answer."""

    exit_code = 3


class Untrusted(KeeperError):
    """An answer is stale, impossible or contradicts another."""

    exit_code = 4


class Refused(KeeperError):
    """The keeper or the chain refused the action; nothing changed."""

    exit_code = 5


class OutcomeUnknown(KeeperError):
    """A transaction may or may not have been accepted."""

    exit_code = 6


class Halted(KeeperError):
    """The keeper stops until a person acts."""

    exit_code = 7


def install_extra(extra: str) -> str:
    """Remedy for a missing package. On the public index the name ``keeper`` belongs to another project, so the extra is
    installed from a checkout."""
    return f"Install the extra `{extra}` in a checkout of this project: pip install -e '.[{extra}]'."


# ------------------------------------------------------------------ bad input


class InvalidSetting(BadInput):
    """A setting is missing or wrong."""


class WrongChain(BadInput):
    """The node's chain id is not the configured one."""


class WrongContract(BadInput):
    """A configured address has no code, or another contract's code."""


class InvalidCovariance(BadInput):
    """A covariance is not finite, not symmetric, not positive definite, or of the wrong shape."""


class InvalidBudgets(BadInput):
    """Risk budgets are not positive, do not match the assets, or one is too small to be told from rounding."""


class RecordNotFound(BadInput):
    """No record, or more than one, has an id with this beginning."""


class NothingToReplay(BadInput):
    """The record's cycle ended before it had all its inputs."""


class NoEstimate(Untrusted):
    """An asset has too little history to estimate its volatility."""


# ----------------------------------------------------------------- unavailable


class NodeUnavailable(Unavailable):
    """The node gave no answer, or one that cannot be read."""


class RpcError(NodeUnavailable):
    """The node answered with a JSON-RPC error. ``text`` is the node's message."""

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
    """The remote signer did not answer, or refused to sign."""


class FeedUnavailable(Unavailable):
    """An HTTP price or volatility source did not answer."""


# ------------------------------------------------------------------- untrusted


class NodeUntrusted(Untrusted):
    """The node's answers contradict each other or the protocol."""


class SignerUntrusted(Untrusted):
    """The remote signer returned another transaction than the requested one."""


# --------------------------------------------------------------------- refused


class SimulationFailed(Refused):
    """The exact calldata reverts, or the state after it is not what the plan expects."""


class NothingFeasible(Refused):
    """No plan reaches the goal within the limits."""


class SolverFailed(Refused):
    """The solver did not reach the required precision."""


class Reverted(Refused):
    """The transaction was mined and reverted."""


class Overtaken(Refused):
    """Another transaction of this key used the nonce: one that an emergency superseded, or a no-op that cancels."""


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
    """The journal cannot be written. Nothing is sent without a row."""


class JournalTooNew(Halted):
    """A newer version wrote the journal, and this version does not know the meaning of its rows."""


class JournalTooOld(Halted):
    """The journal has an older schema. `keeper run` migrates that of a release; one from before 0.1.0 is refused."""


class AlreadyRunning(Halted):
    """Another process holds this key or journal."""


class Tampered(Halted):
    """The program, the ABIs or the settings differ from those that were sealed."""


class PostStateUnexpected(Halted):
    """The mined rebalance left the vault in another state than the one verified before sending."""
