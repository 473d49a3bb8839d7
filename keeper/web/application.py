"""Which path answers what, and what holds for every answer: only reading, only known hosts, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from functools import partial
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keeper.monitoring.exporter import Pages
from keeper.runtime.logs import logger
from keeper.web.hosts import host_allowed
from keeper.web.render import asset
from keeper.web.status_page import StatusPage

READING = ("GET", "HEAD")
ASSETS = {
    "/page.css": "text/css; charset=utf-8",
    "/page.js": "text/javascript; charset=utf-8",
    "/icon.svg": "image/svg+xml",
}
HEALTH = ("/healthz", "/readyz")
"""Probes that speak HTTP/1.0 name no host. A browser always names one."""
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Connection": "close",  # so that a client that idles has nothing open here
}

DEFECT = PlainTextResponse("the keeper's log says why\n", HTTPStatus.INTERNAL_SERVER_ERROR)


def application(pages: Pages, status_page: StatusPage | None, names: Collection[str]) -> ASGIApp:
    """``names`` are the hosts by which others than this machine may ask. Without ``status_page`` only metrics and
    health are served."""
    routes = [] if status_page is None else _page_routes(status_page)
    answer = partial(_metrics_or_health, pages)
    return Guard(Starlette(routes=[*routes, Route("/{path:path}", answer)]), names)


class Guard:
    """Refuses what does not only read and what asks for another host, and adds ``HEADERS`` to every answer. A defect
    behind it is a line of the keeper's log, which the listener would swallow."""

    def __init__(self, inner: ASGIApp, names: Collection[str]) -> None:
        self._inner = inner
        self._names = names
        self._log = logger()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answering = False

        async def send_guarded(message: Message) -> None:
            nonlocal answering
            answering = True
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        try:
            await (self._refusal(scope) or self._inner)(scope, receive, send_guarded)
        except Exception:  # noqa: BLE001 -- logged, and answered as an error of the server
            self._log.exception("request_failed", path=scope.get("path"))
            if not answering:
                await DEFECT(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        if scope["type"] != "http" or scope["method"] not in READING:
            allowed = {"Allow": ", ".join(READING)}
            return PlainTextResponse("only GET and HEAD\n", HTTPStatus.METHOD_NOT_ALLOWED, headers=allowed)
        hosts = Headers(scope=scope).getlist("host")
        if not hosts and scope["path"] in HEALTH:
            return None
        if len(hosts) != 1 or not host_allowed(hosts[0], self._names):
            return PlainTextResponse(
                "this host is not known; KEEPER_METRICS_HOSTS names those that are\n",
                HTTPStatus.MISDIRECTED_REQUEST,
            )
        return None


def _page_routes(status_page: StatusPage) -> list[Route]:
    async def page(request: Request) -> Response:
        del request
        document = await status_page.document()
        return Response(document.html, document.status, media_type="text/html")

    return [Route("/", page), *(Route(path, _asset(path, kind)) for path, kind in ASSETS.items())]


def _asset(path: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    content = asset(path.removeprefix("/"))

    async def answer(request: Request) -> Response:
        del request
        return Response(content, headers={"Content-Type": kind})

    return answer


async def _metrics_or_health(pages: Pages, request: Request) -> Response:
    """At once, in the listener's own thread: a page that is being made delays no scrape."""
    status, content_type, body = pages.answer(request.url.path)
    return Response(body, status, headers={"Content-Type": content_type})
