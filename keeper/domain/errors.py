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

from keeper import __version__
from keeper.domain.remote_text import printable_lines

WHEEL = f"riskparity_keeper-{__version__}-py3-none-any.whl"
"""The file that `hatchling build -t wheel` writes."""


class KeeperError(Exception):
    """An expected failure. ``name`` stands in docs/exit-codes.md; ``remedy`` says what the operator can do."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, remedy: str) -> None:
        self.message = printable_lines(message)  # it may quote a node
        super().__init__(self.message)
        self.remedy = remedy

    @property
    def name(self) -> str:
        return type(self).__name__


class BadInput(KeeperError):
    """A setting, an argument or a number is wrong. The message names the field, the value and the remedy."""

    exit_code = 2


class Unavailable(KeeperError):
    """Something outside the keeper did not answer."""

    exit_code = 3


class Untrusted(KeeperError):
    """An answer is stale, impossible, or contradicts another answer."""

    exit_code = 4


class Refused(KeeperError):
    """The keeper or the chain refused. Nothing changed."""

    exit_code = 5


class OutcomeUnknown(KeeperError):
    """A node may or may not have accepted a transaction."""

    exit_code = 6


class Halted(KeeperError):
    """Only a person can let the keeper continue."""

    exit_code = 7


def install_extra(extra: str) -> str:
    """Remedy for a missing package. It names a folder or a file, never a name on an index: ``keeper`` is another
    project there, and anybody can upload under a name that is free."""
    return (
        f"Install the extra `{extra}`: in a checkout pip install -e '.[{extra}]', "
        f"from a wheel pip install './{WHEEL}[{extra}]'."
    )


# ------------------------------------------------------------------ bad input


class InvalidSetting(BadInput):
    """A setting is missing or wrong."""


class RestartNeeded(BadInput):
    """A setting that a running keeper does not change has another value now. Restart the keeper, or take it back."""


class WrongChain(BadInput):
    """The chain id of the node is not the configured one."""


class WrongContract(BadInput):
    """A configured address has no code, or the code of another contract."""


class FileUnusable(BadInput):
    """A file or a folder that a command needs cannot be read or written."""


class PortTaken(BadInput):
    """Another server took the port of the local chain's node before the node did."""


class InvalidCovariance(BadInput):
    """The covariance is not finite, not symmetric, not positive definite, or has the wrong shape."""


class InvalidBudgets(BadInput):
    """The risk budgets are not positive, do not match the assets, or one is too small to be told from rounding."""


class JournalMissing(BadInput):
    """There is no journal where the settings say. A keeper that runs uses another one, or none has run yet."""


class AnotherJournal(BadInput):
    """A keeper of this vault runs on this machine with another journal than the command would use."""


class RecordNotFound(BadInput):
    """No record, or more than one, has an id that begins like this."""


class NothingToReplay(BadInput):
    """The cycle of this record ended before it had inputs to conclude from."""


class NoEstimate(Untrusted):
    """An asset has too little history for a volatility."""


# ----------------------------------------------------------------- unavailable


class NodeUnavailable(Unavailable):
    """The node did not answer, or its answer cannot be read."""


class NodeHangs(NodeUnavailable):
    """The node takes connections and answers nothing, not even its chain id."""


class NodeRefused(NodeUnavailable):
    """The node's HTTP server refuses the request: a wrong key, or a method that this address does not serve."""


class NodeNotReady(NodeUnavailable):
    """The node refused for now, and did so at every try: it has too much to do, or not (yet) the block of the read."""


class RpcError(NodeUnavailable):
    """The node answered with a JSON-RPC error. The message has its code, text and data.

    ``text`` is the node's message; ``node`` its address without secrets.
    """

    def __init__(self, method: str, code: int, text: str, data: object, node: str = "") -> None:
        at = f" at {node}" if node else ""
        super().__init__(
            f"{method}: the node{at} answers with error {code}: {text}",
            remedy="The keeper tries again next cycle; if it lasts, check the node and KEEPER_RPC_URL.",
        )
        self.method = method
        self.code = code
        self.text = text
        self.data = data


class KeeperSilent(Unavailable):
    """The running keeper did not answer a command through the journal in time. What was written there holds."""


class ChatUnavailable(Unavailable):
    """The chat's service did not answer, or refused. The keeper goes on without its chat, which tries again.

    ``status`` is that of the answer, 0 without one. ``wait_s`` is how long the service asks to wait, 0 if it does not.
    """

    def __init__(self, message: str, *, remedy: str, status: int = 0, wait_s: float = 0.0) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.wait_s = wait_s


class ChatAnswerUnusable(ChatUnavailable):
    """The chat's service answered with messages that cannot be read. The keeper goes on, and steps over them one by
    one.

    ``first`` is the number of the first message in the answer, None where that cannot be read either.
    """

    first: int | None = None


class SchedulerUnavailable(Unavailable):
    """The Dask scheduler of a sweep did not answer."""


class JournalUnwritable(Unavailable):
    """The journal cannot be written. Nothing is sent without a row in it: free disk space, or repair the database. A
    daemon goes on when it can."""


class LeaseLost(JournalUnwritable):
    """Another keeper of this journal leads now, or may soon. This one sends nothing and stands by."""


class JournalUnreadable(Unavailable):
    """The journal's database does not answer, or the disk under it fails. A daemon goes on when it can."""


class FileUnavailable(Unavailable):
    """The disk failed under a file that the running daemon reads or writes. It goes on when it can."""


class SignerUnavailable(Unavailable):
    """The remote signer did not answer, or refused to sign."""


class FeedUnavailable(Unavailable):
    """An HTTP source of prices or volatilities did not answer."""


class RateLimited(FeedUnavailable):
    """An HTTP source refused because of too many requests (Deribit's 10028, HTTP 429).

    ``retry_after_s`` is the wait that it asks for, at most 60.
    """

    def __init__(self, message: str, *, remedy: str, retry_after_s: float) -> None:
        super().__init__(message, remedy=remedy)
        self.retry_after_s = retry_after_s


class HttpRefusal(FeedUnavailable):
    """An HTTP source answered with an error. The message has it.

    ``answer`` is the JSON that came with it.
    """

    def __init__(self, message: str, *, remedy: str, status: int, answer: object) -> None:
        super().__init__(message, remedy=remedy)
        self.status = status
        self.answer = answer


# ------------------------------------------------------------------- untrusted


class NodeUntrusted(Untrusted):
    """The answers of the node contradict each other or the protocol."""


class GasUnpriced(Untrusted):
    """Requests wait, because nobody knows what their gas costs in USD."""


class SignerUntrusted(Untrusted):
    """The remote signer returned something else than was requested. The keeper neither stored nor sent it."""


# --------------------------------------------------------------------- refused


class SimulationFailed(Refused):
    """The exact calldata reverts, or the state after it is not what the plan expects."""


class NothingFeasible(Refused):
    """No plan reaches the goal within the limits."""


class SolverFailed(Refused):
    """The risk budgets, an aim or the division over several accounts could not be solved to the required precision."""


class AccountNotManaged(Refused):
    """The vault owes something in an account whose venue this keeper does not manage."""


class Reverted(Refused):
    """The transaction was mined and reverted. Only its gas is spent."""


class Overtaken(Refused):
    """Another transaction of this key took the nonce: an emergency replaced it, or `keeper unblock` cancelled it."""


class GasUnaffordable(Refused):
    """The base fee is above the limit of this urgency, or the key cannot pay for the gas."""


class NotAuthorised(Refused):
    """The key does not have the role, or the payload is outside the allowlist."""


class DemoFailed(Refused):
    """The chain does not show what the demo promises."""


class PromiseBroken(Refused):
    """A scenario on the local chain shows what must never happen."""


class CompilationFailed(Refused):
    """The contracts of the local chain cannot be compiled."""


# -------------------------------------------------------------- outcome unknown


class Preempted(OutcomeUnknown):
    """A person's order came while a transaction was waited for. The next cycle carries out the order."""


class StillInFlight(OutcomeUnknown):
    """A transaction of this key has no final outcome yet, so nothing else is sent."""


# ---------------------------------------------------------------------- halted


class JournalCorrupt(Halted):
    """The rows of the journal contradict each other or the chain."""


class JournalTooNew(Halted):
    """A newer version of the keeper wrote the journal. Install that version again."""


class JournalTooOld(Halted):
    """An older version wrote the journal. `keeper run` migrates the journal of a release; move away one from before
    0.1.0."""


class AlreadyRunning(Halted):
    """Another process uses this key or this journal. Stop it first, for example with `systemctl stop keeper`."""


class Tampered(Halted):
    """Program, ABIs or settings are not the sealed ones. If you changed them, run `keeper seal`; if not, find out who
    did."""


class PostStateUnexpected(Halted):
    """The mined rebalance left the vault in another state than was verified before sending."""
