"""A DDS domain that nobody else on this machine uses."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

LAST_DOMAIN_ID = 100


@contextmanager
def own_domain_id() -> Iterator[int]:
    """Reserves one of the domains 1..100 as long as the context lasts.

    The reservation is a bound TCP port, as in ROS 2's domain_coordinator; it holds among processes that reserve too.

    Raises:
        OSError: all are taken.
    """
    for domain_id in range(1, LAST_DOMAIN_ID + 1):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as lock:
            try:
                lock.bind(("127.0.0.1", 32768 - domain_id))
            except OSError:
                continue
            yield domain_id
            return
    raise OSError(f"all ROS domains in 1..{LAST_DOMAIN_ID} are taken on this machine")
