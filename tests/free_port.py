"""A port on loopback that nothing listens at."""

from __future__ import annotations

import socket


def free_port() -> int:
    """The port's number. Another process may take it before the caller does."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])
