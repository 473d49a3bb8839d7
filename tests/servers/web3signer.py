"""A signer on a real socket that speaks web3signer's JSON-RPC, and can be told to misbehave."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_account import Account
from eth_utils.address import to_checksum_address
from hexbytes import HexBytes

OTHER_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
"""Anvil's second account."""
LIES: dict[str, Any] = {
    "nonce": lambda fields: {"nonce": fields["nonce"] + 1},
    "chainId": lambda fields: {"chainId": 1},
    "to": lambda fields: {"to": to_checksum_address("0x" + "66" * 20)},
    "value": lambda fields: {"value": 1},
    "data": lambda fields: {"data": HexBytes("0xa9059cbb")},
    "gas": lambda fields: {"gas": fields["gas"] + 1},
    "maxFeePerGas": lambda fields: {"maxFeePerGas": fields["maxFeePerGas"] + 1},
    "maxPriorityFeePerGas": lambda fields: {"maxPriorityFeePerGas": 0},
    "accessList": lambda fields: {
        "accessList": [{"address": to_checksum_address("0x" + "66" * 20), "storageKeys": []}]
    },
}


class Web3Signer:
    """``lie`` names a field to falsify, "key" to sign with another, "truncated", "garbage" or "nested" for broken answers;
    ``error`` is a JSON-RPC error to answer with (``error_for`` one method only), ``status`` an HTTP status, ``hang_ups`` connections to drop."""

    def __init__(self, key: str) -> None:
        self._account = Account.from_key(key)
        self.url = ""
        self.lie = ""
        self.error: dict[str, Any] | None = None
        self.error_for = ""
        self.status = 200
        self.hang_ups = 0
        self.asked: list[tuple[str, Any]] = []

    def answer(self, method: str, params: list[Any]) -> Any:
        if method == "eth_accounts":
            return [self._account.address.lower()]
        fields = {
            "type": 2,
            **{name: int(params[0][name], 16) for name in ("chainId", "nonce", "value", "gas")},
            **{name: int(params[0][name], 16) for name in ("maxFeePerGas", "maxPriorityFeePerGas")},
            "to": to_checksum_address(params[0]["to"]),
            "data": HexBytes(params[0]["data"]),
        }
        if self.lie in LIES:
            fields |= LIES[self.lie](fields)
        signing = Account.from_key(OTHER_KEY) if self.lie == "key" else self._account
        raw: str = signing.sign_transaction(fields).raw_transaction.to_0x_hex()
        return {"truncated": raw[:-20], "garbage": "0xnothing"}.get(self.lie, raw)


@contextmanager
def web3signer(key: str) -> Iterator[Web3Signer]:
    signer = Web3Signer(key)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            signer.asked.append((body["method"], body["params"]))
            if signer.hang_ups > 0:
                signer.hang_ups -= 1
                self.close_connection = True
                return
            answer: dict[str, Any] = {"jsonrpc": "2.0", "id": body["id"]}
            if signer.error is not None and signer.error_for in ("", body["method"]):
                answer["error"] = signer.error
            else:
                answer["result"] = signer.answer(body["method"], body["params"])
            content = b"[" * 100_000 if signer.lie == "nested" else json.dumps(answer).encode()
            self.send_response(signer.status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    signer.url = f"http://user:s3cret@127.0.0.1:{server.server_port}/t0ken"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield signer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
