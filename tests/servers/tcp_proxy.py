"""A TCP proxy in front of a database that can stop to forward, as a network does that is cut: nobody is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy.engine import URL, make_url

CHUNK = 65_536
PORT = 5432


class TcpProxy:
    """``url`` is the database's address through the proxy. While it is ``cut``, connections stay open and new ones are
    taken, but no byte goes on."""

    def __init__(self, database: str) -> None:
        self._target = make_url(database)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()
        through = self._target.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        self.url = through.difference_update_query(["host"]).render_as_string(hide_password=False)

    def cut(self) -> None:
        self._open.clear()

    def heal(self) -> None:
        self._open.set()

    def close(self) -> None:
        self._open.set()
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._sockets.append(client)
        self._open.wait()
        try:
            server = _connected(self._target)
        except OSError:
            client.close()
            return
        self._sockets.append(server)
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._forward, args=(source, target), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while content := source.recv(CHUNK):
                self._open.wait()
                target.sendall(content)
        self._open.wait()  # an end travels no further than the bytes before it
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


def _connected(target: URL) -> socket.socket:
    folder = target.query.get("host")
    if isinstance(folder, str) and folder.startswith("/"):
        server = socket.socket(socket.AF_UNIX)
        server.connect(f"{folder}/.s.PGSQL.{target.port or PORT}")
        return server
    return socket.create_connection((target.host or "127.0.0.1", target.port or PORT))


@contextmanager
def tcp_proxy(database: str) -> Iterator[TcpProxy]:
    proxy = TcpProxy(database)
    try:
        yield proxy
    finally:
        proxy.close()
