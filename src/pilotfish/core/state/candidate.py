"""The state of one service, and a candidate: a service of a rule bound to its state."""

from __future__ import annotations

from typing import Any, NamedTuple

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Service
from pilotfish.core.state.headroom import Headroom
from pilotfish.core.state.health import Health
from pilotfish.core.state.statistics import FirstTokenWaits, Samples, Window


class LastError(NamedTuple):
    """The last attempt that ended in an error of the service: when, and what it was."""

    at: float
    outcome: Outcome
    message: str


class ServiceState:
    """The state of one (provider, model), shared by all rules that name it.

    `keys`: the health of each of the provider's keys for this model, since a 429 on one key takes
    out that key and not the service; empty for a provider with one key, where the service itself
    cools. `latency`, `ttft`: samples in seconds; `speed`: in output tokens per second.
    `tokens_in_flight`: estimated input tokens of running requests. `requests_total`: attempts
    in its life, those before a restart included where statistics are kept. `last_probe`: when the
    last background probe ended, and what it found.
    """

    __slots__ = (
        "headroom",
        "health",
        "in_flight",
        "keys",
        "last_error",
        "last_probe",
        "last_used",
        "latency",
        "model",
        "provider",
        "requests_total",
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
        self.requests_total = 0
        self.last_used: float | None = None
        self.last_error: LastError | None = None
        self.last_probe: tuple[float, str] | None = None
        self.in_flight = 0
        self.tokens_in_flight = 0
        self.latency, self.ttft, self.speed = Samples(), Samples(), Samples()
        self.waiting = FirstTokenWaits()
        self.windows: dict[float, Window] = {}
        self.headroom = Headroom()

    def window(self, length_s: float, now: float) -> Window:
        """The statistics' window of this length, made on first use, as it stands at `now`."""
        found = self.windows.get(length_s)
        if found is None:
            found = self.windows[length_s] = Window(length_s, now)
        return found.turn(now)


class Candidate:
    """A service of a rule, bound to its state. Made once per snapshot, not per request.

    `capacity`: requests at once: `model_capacity`, else the provider's `default_model_capacity`,
    else the weight, else 100. `kept`: a cache for `proxy`; no decision of the core reads it.
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
