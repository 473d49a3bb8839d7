"""Keeps the journal's next nonce and the chain's count of the key's transactions together."""

from __future__ import annotations

from keeper.domain.errors import NodeUntrusted
from keeper.domain.pause_causes import FOREIGN_TRANSACTION, NONCE_TAKEN_BACK
from keeper.tx.config import SenderConfig
from keeper.tx.node import SETTLED_DEPTH
from keeper.tx.ports import NodeView

MAX_JUMP = 100_000
"""Transactions. A keeper sends a few a day, so no old copy of a journal is further behind."""
MAX_FIRST_NONCE = 2**32
"""Of a key that the journal does not know. No key has ever sent so many transactions."""


class ChainWatermark:
    """What was signed for is the keeper's own act: no nonce below it is used again. What was adopted from the chain is
    a node's word, and a node may be wrong. So the watermark follows the chain in both directions:

    1. The chain counts more than the journal: the key has transactions that the journal does not know. Pause, and adopt
       the number. A jump that no key makes is not believed.
    2. The chain counts less than was adopted, and not less than was signed for: pause, and adopt the lower number.
       `keeper resume` is enough afterwards, in both cases.

    The node may lag, and then the lower number is old. So a head that is not ``SETTLED_DEPTH`` blocks above the one at
    which the higher number was reported proves nothing, and until then nothing is sent. A reorganisation that removes
    the transactions of somebody else looks the same; usually they are mined again within these blocks.

    What if the lower number is the wrong one? A nonce counts once on a chain. If it is used, the chain refuses the new
    transaction ("nonce too low"), so nothing is sent twice; its intent ends as DISPLACED, with a pause. If it is free
    after a reorganisation, either the keeper's transaction or the other one is mined, and the vault's epoch decides
    whether a call still applies. A chain that counts less than was signed for proves only that the node lags.

    What if a person resumes while the higher number is still wrong? Then a transaction waits above a gap of nonces, and
    `keeper unblock` fills the gap.
    """

    def __init__(self, config: SenderConfig) -> None:
        self._node = config.node
        self._log = config.log
        self._alarm = config.alarm
        self._chain_id = config.chain_id
        self._account = config.account

    def follow(self, view: NodeView) -> bool:
        """Whether chain and journal differed, so that the keeper is paused. Nothing is said of a key that the journal
        does not know. Raises NodeUntrusted."""
        mark = self._log.watermark(self._chain_id, self._account)
        expected, counted = mark.next_nonce, view.mined_nonce
        if expected is None:
            return False
        if counted > expected:
            self._require_plausible(counted, expected + MAX_JUMP)
            self._alarm.pause(
                FOREIGN_TRANSACTION,
                f"{counted - expected} transaction(s) of {self._account} from nonce {expected} on are not in this "
                f"journal: something else uses the key, or the journal is an old copy ({self._source})",
            )
        elif (
            mark.is_hearsay
            and (mark.signed or 0) <= counted < expected
            and view.head >= mark.adopted_at + SETTLED_DEPTH
        ):
            self._alarm.pause(
                NONCE_TAKEN_BACK,
                f"{self._account} has sent {counted} transactions, and {expected} were counted before: the node was "
                f"wrong, or the chain reorganised ({self._source})",
            )
        else:
            return False
        self._log.adopt_nonce(self._chain_id, self._account, counted, view.head)
        return True

    def next_nonce(self, view: NodeView) -> int:
        """For a new intent, after ``follow``. Raises NodeUntrusted if the node is behind the journal."""
        mark = self._log.watermark(self._chain_id, self._account)
        expected, counted = mark.next_nonce, view.mined_nonce
        if expected is None:
            self._require_plausible(counted, MAX_FIRST_NONCE)
            self._log.adopt_nonce(self._chain_id, self._account, counted, view.head)
            return counted
        waiting = self._log.unfinished(self._chain_id, self._account)
        if counted < expected and (mark.is_hearsay or not waiting):
            raise NodeUntrusted(
                f"the chain's next nonce of {self._account} is {counted}, the journal's is {expected} ({self._source})",
                remedy="The node lags behind, was wrong before, or is on another chain. If it lasts for more than "
                f"{SETTLED_DEPTH} blocks, use another node.",
            )
        return expected

    @property
    def _source(self) -> str:
        return f"eth_getTransactionCount of {self._node.endpoint}"

    def _require_plausible(self, counted: int, most: int) -> None:
        if counted > most:
            raise NodeUntrusted(
                f"{self._account} cannot have sent {counted} transactions; at most {most} are plausible "
                f"({self._source})",
                remedy="Compare the node with another one. If the key really has so many transactions, start a new "
                "journal: it takes the chain's number over.",
            )
