"""What is known of one service, and a service bound to it: what tactics choose among."""

from __future__ import annotations

from typing import Any

from pilotfish.core.model.service import Service
from pilotfish.core.state.headroom import Headroom
from pilotfish.core.state.health import Health
from pilotfish.core.state.statistics import Samples, Waiting, Window


class ServiceState:
    """One (provider, model), over all rules. Times in seconds, speed in tokens per second.

    `keys` has a Health for each of the provider's several keys: a 429 on one of them takes out that
    key for this model, not the service. With one key it is empty, and the service itself cools.
    """

    __slots__ = (
        "headroom",
        "health",
        "in_flight",
        "keys",
        "latency",
        "model",
        "probe_unsupported",
        "provider",
        "speed",
        "tokens_in_flight",
        "ttft",
        "waiting",
        "windows",
    )

    def __init__(self, provider: str, model: str, keys: int) -> None:
        self.provider, self.model = provider, model
        self.health = Health()
        self.keys = [Health() for _ in range(keys)] if keys > 1 else []
        self.probe_unsupported = (
            False  # the provider has no such thing: a live request must find out
        )
        self.in_flight = 0
        self.tokens_in_flight = 0
        self.latency, self.ttft, self.speed = Samples(), Samples(), Samples()
        self.waiting = Waiting()
        self.windows: dict[float, Window] = {}
        self.headroom = Headroom()

    def window(self, length_s: float, now: float) -> Window:
        found = self.windows.get(length_s)
        if found is None:
            found = self.windows[length_s] = Window(length_s, now)
        return found.turn(now)


class Candidate:
    """A service of a rule, bound to what the ledger knows of it. Made once per snapshot, never per
    request.

    `kept` is for what the shell works out once per candidate and wants at hand for each request;
    decisions never look at it.
    """

    __slots__ = ("capacity", "kept", "service", "state", "weight")

    def __init__(self, service: Service, state: ServiceState) -> None:
        self.service, self.state = service, state
        self.kept: dict[str, Any] = {}
        self.weight = service.weight
        capacity = (
            service.model_capacity
            or service.provider.default_model_capacity
            or service.weight
            or 100
        )
        self.capacity = float(capacity)

    def __repr__(self) -> str:
        return f"<{self.service.id}>"
