"""A connection to a node without a network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from keeper.domain.errors import RpcError
from keeper.jsonrpc.field import AnswerField
from keeper.jsonrpc.requests import Request

T = TypeVar("T")


class ConnectionDouble:
    """``keeper.jsonrpc.requests.Connection``. ``answer`` gives the JSON for a request, or an error to raise. ``asked``:
    every method, in order."""

    def __init__(self, answer: Callable[[Request[Any]], Any]) -> None:
        self.endpoint = "http://node"
        self.answer = answer
        self.asked: list[str] = []

    def request(self, request: Request[T]) -> T:
        self.asked.append(request.method)
        answer = self.answer(request)
        if isinstance(answer, RpcError) and request.optional:
            answer = None
        elif isinstance(answer, Exception):
            raise answer
        return request.parse(AnswerField(answer, request.method, self.endpoint))

    def batch(self, requests: Sequence[Request[Any]]) -> list[Any]:
        return [self.request(request) for request in requests]

    def send(self, request: Request[T]) -> T:
        return self.request(request)
