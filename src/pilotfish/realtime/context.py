"""What sessions need of the proxy that they are part of."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pilotfish.core.routing.router import Router
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.limits import Budgets
from pilotfish.http1.origin import Connect
from pilotfish.proxy.client import ProviderClient
from pilotfish.proxy.in_flight import InFlight
from pilotfish.proxy.local_reply import LocalReplies
from pilotfish.telemetry.reporter import Reporter


class SocketContext(NamedTuple):
    """What sessions share with all other requests. `client` gives a provider's by its name;
    `may_serve` raises ClientError where the proxy takes no request now.
    """

    router: Router
    ledger: Ledger
    budgets: Budgets
    reporter: Reporter
    replies: LocalReplies
    in_flight: InFlight
    connect: Connect
    client: Callable[[str], ProviderClient]
    may_serve: Callable[[], None]
