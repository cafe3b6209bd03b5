"""What a classic sidecar's lifecycle hooks run: `start PORT` until the proxy serves, `stop SECONDS`
until the neighbours had time to stop.

Only the standard library, and little of it: the application waits for this process. It always ends
with 0, since a hook that fails kills the container, and an injector must never keep a Pod from
running.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException

# The native sidecar's startupProbe gives as long.
START_TRIES = 60
TRY_EVERY_S = 0.5


def start(port: int, pause: Callable[[float], None] = time.sleep) -> bool:
    """Whether the proxy on 127.0.0.1:`port` answered before the tries were used up."""
    for _ in range(START_TRIES):
        connection = HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/healthz?startup_s=10")
            if connection.getresponse().status == 200:
                return True
        except (OSError, HTTPException):
            pass  # not listening yet
        finally:
            connection.close()
        pause(TRY_EVERY_S)
    return False


def main(arguments: list[str], pause: Callable[[float], None] = time.sleep) -> int:
    match arguments:
        case ["start", port]:
            start(int(port), pause)
        case ["stop", seconds]:
            pause(float(seconds))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
