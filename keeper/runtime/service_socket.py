"""The datagram socket on which systemd hears of a service of ``Type=notify``, as sd_notify(3) describes it."""

from __future__ import annotations

import os
import socket

from keeper.runtime.logs import logger

VARIABLE = "NOTIFY_SOCKET"


class ServiceSocket:
    """``address`` is a path, or a name after ``@`` in Linux' abstract namespace."""

    def __init__(self, address: str) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address

    def tell(self, *lines: str) -> None:
        """One message of ``NAME=value`` lines. It never waits. What cannot be sent is logged and lost: a watchdog that
        hears nothing restarts the service."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(0.0)
                sender.connect(self._address)
                sender.send("\n".join(lines).encode())
        except OSError as error:
            logger().warning("service_manager_not_told", reason=error.strerror or str(error))


def service_socket() -> ServiceSocket | None:
    """That of the environment; None where no service manager listens."""
    address = os.environ.get(VARIABLE, "")
    return ServiceSocket(address) if address.startswith(("/", "@")) else None
