"""How real clients, providers and gateways refuse and spell. Each dialect has the name of who speaks it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.servers.json_rpc import Answered
from tests.servers.mutations import mutated, places

Calls = Sequence[dict[str, Any]]
Refuses = Callable[[Calls, bool], Answered | None]
"""From the calls of one HTTP request, and whether they came as a batch; None lets them pass."""


@dataclass(frozen=True)
class Dialect:
    """``answers`` changes the answer to a call that passed."""

    refuses: Refuses = lambda calls, is_batch: None
    answers: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] = lambda call, answer: answer


def error(call_id: Any, code: int, text: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": call_id, "error": {"code": code, "message": text}}


def answered(content: Any, status: int = 200) -> Answered:
    return Answered(json.dumps(content).encode(), status)


# -------------------------------------------------------------------- batches


def geth_batch_limit(limit: int) -> Dialect:
    """A list of one error, which has the id of the first call."""

    def refuses(calls: Calls, is_batch: bool) -> Answered | None:
        too_large = is_batch and len(calls) > limit
        return answered([error(calls[0]["id"], -32_600, "batch too large")]) if too_large else None

    return Dialect(refuses)


def erigon_batch_limit(limit: int) -> Dialect:
    """One error without an id."""

    def refuses(calls: Calls, is_batch: bool) -> Answered | None:
        text = f"batch limit {limit} exceeded (can increase by --rpc.batch.limit). Requested batch of size: {len(calls)}"
        return answered(error(None, -32_000, text)) if is_batch and len(calls) > limit else None

    return Dialect(refuses)


def gateway_body_limit(limit: int) -> Dialect:
    """HTTP 413 with a page for people."""

    def refuses(calls: Calls, is_batch: bool) -> Answered | None:
        too_large = is_batch and len(json.dumps(calls)) > limit
        return Answered(b"<html>413 Request Entity Too Large</html>", 413) if too_large else None

    return Dialect(refuses)


def errors_without_ids(limit: int) -> Dialect:
    """An error for each call of the batch, none with an id."""

    def refuses(calls: Calls, is_batch: bool) -> Answered | None:
        refused = [error(None, -32_600, "invalid request") for _ in calls]
        return answered(refused) if is_batch and len(calls) > limit else None

    return Dialect(refuses)


def provider_gas_cap(calldata_bytes: int) -> Dialect:
    """A provider that gives eth_call so little gas that a long multicall does not fit."""

    def answers(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        data = str(call["params"][0].get("data", "")) if call["method"] == "eth_call" else ""
        too_long = len(data) > 2 * calldata_bytes
        return error(call["id"], -32_000, "out of gas") if too_long else answer

    return Dialect(answers=answers)


# ------------------------------------------------------------------ it passes


def once(method: str, code: int, text: str) -> Dialect:
    """The first call of the method is refused."""
    left = [True]

    def answers(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        if call["method"] != method or not left:
            return answer
        left.clear()
        return error(call["id"], code, text)

    return Dialect(answers=answers)


def alchemy_batch_limit() -> Dialect:
    """The first batch is refused by one error with HTTP 200."""
    left = [True]

    def refuses(calls: Calls, is_batch: bool) -> Answered | None:
        if not is_batch or not left:
            return None
        left.clear()
        return answered(error(None, 429, "Your app has exceeded its compute units per second capacity"))

    return Dialect(refuses)


# ------------------------------------------------------------ methods, spelling


def without_finality() -> Dialect:
    """A node that does not know the tag."""

    def answers(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        tagged = call["method"] == "eth_getBlockByNumber" and call["params"][0] == "finalized"
        return error(call["id"], -32_602, "invalid argument 0: invalid block tag") if tagged else answer

    return Dialect(answers=answers)


def without_mempool() -> Dialect:
    """A gateway that refuses the method before any node sees it."""

    def refuses(calls: Calls, is_batch: bool) -> Answered | None:
        asked = any(call["method"] == "txpool_contentFrom" for call in calls)
        return Answered(b"<html>403 Forbidden</html>", 403) if asked else None

    return Dialect(refuses)


UNUSABLE_SIMULATION = {
    "geth before 1.14.9": (-32_601, "the method eth_simulateV1 does not exist/is not available"),
    "Hardhat": (-32_004, "Method eth_simulateV1 is not supported"),
    "Nethermind": (-32_602, "Invalid params"),
    "Reth": (-38_026, "Client adjustable limit reached"),
    "a relay": (-32_600, "Unsupported method: eth_simulateV1"),
    "a gateway": (-32_604, "method eth_simulateV1 not supported"),
    "a gateway without old state": (-32_001, "resource not found"),
}


def without_simulation(client: str) -> Dialect:
    """One that has no eth_simulateV1, or refuses every use of it."""
    code, text = UNUSABLE_SIMULATION[client]

    def answers(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return error(call["id"], code, text) if call["method"] == "eth_simulateV1" else answer

    return Dialect(answers=answers)


def null(method: str) -> Dialect:
    """A broken node: its answer to one method is null."""

    def answers(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        return answer | {"result": None} if call["method"] == method else answer

    return Dialect(answers=answers)


def padded_and_upper_case() -> Dialect:
    """Quantities with leading zeros, all digits in upper case."""

    def answers(call: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
        del call
        for place in places(answer):
            answer = mutated(answer, place, "other case", variant=3)
        return answer

    return Dialect(answers=answers)
