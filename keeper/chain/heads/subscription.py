"""What the two sides of a subscription to ``newHeads`` say. No I/O.

Source: geth's documentation "Real-time Events" (eth_subscribe), which other clients follow.
"""

from __future__ import annotations

import json
from typing import Any

from keeper.domain.errors import NodeUntrusted
from keeper.domain.remote_text import printable
from keeper.jsonrpc.field import AnswerField
from keeper.runtime.json_text import parsed_json

CHAIN_ID, SUBSCRIBE = 1, 2
"""The ids of the two requests."""
NOTIFICATION = "eth_subscription"


class SocketLostError(Exception):
    """A WebSocket is of no more use. The text goes on after the node's address: "closed the socket"."""


class Subscription:
    """One subscription. ``confirmed``: the node is on the right chain, and has answered that it will tell its heads."""

    def __init__(self, chain_id: int) -> None:
        self._expected = chain_id
        self._chain_id: int | None = None
        self._id: str | None = None
        self._newest_time = self._newest_number = -1

    @property
    def confirmed(self) -> bool:
        return self._chain_id is not None and self._id is not None

    def requests(self) -> tuple[str, ...]:
        return _request(CHAIN_ID, "eth_chainId"), _request(SUBSCRIBE, "eth_subscribe", "newHeads")

    def heard(self, message: bytes) -> int | None:
        """The timestamp of the new head that a message tells, Unix seconds; None for any other message. Raises
        SocketLostError."""
        try:
            answer = parsed_json(message)
        except ValueError as error:
            raise SocketLostError("sends what is not JSON") from error
        if not isinstance(answer, dict):
            raise SocketLostError("sends what is no JSON-RPC message")
        try:
            return self._understood(answer)
        except NodeUntrusted as error:
            raise SocketLostError(f"is not understood: {error.message}") from error

    # ------------------------------------------------------------------ inside

    def _understood(self, answer: dict[str, Any]) -> int | None:
        """Raises SocketLostError, NodeUntrusted."""
        refused = answer.get("error")
        if refused is not None:
            text = refused.get("message") if isinstance(refused, dict) else refused
            raise SocketLostError(f"refuses to tell its blocks: {printable(str(text))[:120]}")
        if answer.get("id") == CHAIN_ID:
            self._chain_id = AnswerField(answer.get("result"), "eth_chainId", "").integer()
            if self._chain_id != self._expected:
                raise SocketLostError(f"is on chain {self._chain_id}, not on {self._expected}")
        elif answer.get("id") == SUBSCRIBE:
            self._id = AnswerField(answer.get("result"), "eth_subscribe", "").text()
        elif answer.get("method") == NOTIFICATION and self.confirmed:
            notice = AnswerField(answer.get("params"), NOTIFICATION, "")
            if notice.field("subscription").value == self._id:
                return self._new_head(notice.field("result"))
        return None

    def _new_head(self, head: AnswerField) -> int | None:
        """None where neither the time nor the number is above all that were told. On a chain with several blocks a
        second only the number rises, and in a reorganisation it can be the time alone."""
        timestamp, number = head.field("timestamp").time(), head.field("number").integer()
        rises = timestamp > self._newest_time or number > self._newest_number
        self._newest_time = max(timestamp, self._newest_time)
        self._newest_number = max(number, self._newest_number)
        return timestamp if rises else None


def _request(number: int, method: str, *params: str) -> str:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)})
