"""Services for tests of tactics, limits and affinity: made by a line, measured by a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pilotfish.core.model.outcome import Failure, Outcome
from pilotfish.core.model.provider import ProviderKind
from pilotfish.core.model.service import Limits, Provider, Service
from pilotfish.core.model.snapshot import Rule, Snapshot
from pilotfish.core.state.candidate import Candidate, ServiceState
from pilotfish.core.state.ledger import Ledger

KIND = ProviderKind(
    name="test",
    style="openai",
    paths={"chat": "/chat/completions"},
    base_url="http://127.0.0.1:9/v1",
)


def provider(name: str = "acme", **fields: Any) -> Provider:
    return Provider(
        name=name,
        kind=KIND,
        base="http://127.0.0.1:9/v1",
        style="openai",
        paths=KIND.paths,
        **fields,
    )


def service(model: str, at: Provider | None = None, **fields: Any) -> Service:
    at = at or provider()
    return Service(provider=at, model=model, rule="chat", id=f"{at.name}/{model}", **fields)


def candidate(model: str, at: Provider | None = None, **fields: Any) -> Candidate:
    at = at or provider()
    return Candidate(service(model, at, **fields), ServiceState(at.name, model, 1))


def fleet(models: str, weights: Sequence[float] | None = None, **fields: Any) -> list[Candidate]:
    """One candidate a word: `fleet("a b c")`."""
    names = models.split()
    return [
        candidate(m, weight=w, **fields)
        for m, w in zip(names, weights or [1.0] * len(names), strict=True)
    ]


def snapshot(
    *services: Service, limits: Limits | None = None, rule: str = "chat", **fields: Any
) -> Snapshot:
    """One rule over these services."""
    return Snapshot(
        rules=(Rule(name=rule, services=tuple(services), **fields),),
        providers={s.provider.name: s.provider for s in services},
    )


def ledger_of(*services: Service) -> tuple[Ledger, list[Candidate], Rule]:
    """A ledger that has adopted one rule over these services, and their candidates."""
    rules = snapshot(*services)
    ledger = Ledger()
    ledger.adopt(rules)
    return ledger, [ledger.candidate(s) for s in services], rules.rules[0]


def measured(
    c: Candidate,
    now: float,
    *,
    latency: float | None = None,
    ttft: float | None = None,
    speed: float | None = None,
    times: int = 1,
) -> None:
    for _ in range(times):
        for value, samples in (
            (latency, c.state.latency),
            (ttft, c.state.ttft),
            (speed, c.state.speed),
        ):
            if value is not None:
                samples.add(value, now)


def failure(outcome: Outcome, wait_s: float | None = None, status: int = 500) -> Failure:
    return Failure(outcome=outcome, status=status, message="made for a test", wait_s=wait_s)


def names(candidates: Sequence[Candidate]) -> str:
    return " ".join(c.service.model for c in candidates)
