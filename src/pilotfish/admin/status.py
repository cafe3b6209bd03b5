"""What `/status` shows. It holds no secret."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pilotfish import __version__
from pilotfish.admin.in_flight import late_requests, oldest_by_service
from pilotfish.core.model.service import OAuth, Service
from pilotfish.core.model.snapshot import Rule
from pilotfish.core.routing.explain import rfc3339
from pilotfish.core.state.candidate import ServiceState
from pilotfish.core.state.health import Health
from pilotfish.core.state.ledger import all_rules, services_of
from pilotfish.core.state.statistics import Window
from pilotfish.proxy.engine import Engine
from pilotfish.sources.store import RulesStore

SERVICES_A_PIECE = 32  # about a millisecond's work


async def status_of(engine: Engine, store: RulesStore) -> dict[str, Any]:
    """Requests are served meanwhile: of thousands of services it takes half a second."""
    services = await _services(engine)
    now, wall = time.monotonic(), time.time()
    log = engine.reporter.access_log
    flying = engine.records_in_flight()
    return {
        "version": __version__,
        "ready": engine.ready and not engine.draining,
        "draining": engine.draining,
        "in_flight": len(engine.in_flight),
        "late": late_requests(flying, now),
        "traffic": engine.reporter.history.now(now),
        "rules": store.status(),
        "services": services,
        "scenarios": [
            {"name": s.name, "flags": dict(s.flags), "extensions": dict(s.extensions)}
            for s in engine.snapshot.scenarios.values()
        ],
        "races": races_status(engine, now, wall),
        "budgets": budgets_status(engine, now, wall),
        "access_log": {"enabled": log.enabled, "sample": log.sample},
    }


async def _services(engine: Engine) -> list[dict[str, Any]]:
    """All of one set of rules: where they change meanwhile, it begins anew."""
    while True:
        snapshot, found = engine.snapshot, []
        now, wall = time.monotonic(), time.time()
        oldest = oldest_by_service(engine.records_in_flight())
        for rule in (*all_rules(snapshot), *engine.router.made_rules()):
            for service in once(rule):
                if service.provider.name not in engine.clients:
                    continue
                began = oldest.get((service.provider.name, service.model))
                status = service_status(engine, service, now, wall)
                found.append({**status, "oldest_in_flight_s": _age(began, now)})
            if len(found) % SERVICES_A_PIECE == 0:
                await asyncio.sleep(0)
                if engine.snapshot is not snapshot:
                    break
        else:
            return found


def _age(began: float | None, now: float) -> float | None:
    return None if began is None else round(now - began, 1)


def once(rule: Rule) -> list[Service]:
    """A rule's services, each (provider, model) once. Where one of its blocks names a service too,
    the rule's own stands.
    """
    found: dict[tuple[str, str], Service] = {}
    for service in services_of(rule):
        found.setdefault((service.provider.name, service.model), service)
    return list(found.values())


def service_status(engine: Engine, service: Service, now: float, wall: float) -> dict[str, Any]:
    state = engine.ledger.candidate(service).state
    # Its own health, or that of the credential in its way: what a request would meet.
    health = engine.ledger.blocking(state, now) or state.health
    out = health.out
    usable = service.active and service.provider.enabled
    return {
        "provider": service.provider.name,
        "model": service.model,
        "rule": service.rule,
        "tier": service.tier,
        "weight": service.weight,
        "tags": list(service.provider.tags),
        "active": usable,
        "state": engine.ledger.state_of(state, now),
        "reason": health.reason if out else None if usable else "switched off in the rules",
        "since": _since(health, now, wall),
        "until": rfc3339(wall + health.until - now) if out else None,
        "seconds_left": round(max(0.0, health.until - now), 1) if out else None,
        "consecutive_errors": health.consecutive,
        "trips": health.trips,
        "step": health.step,
        "requests_total": state.requests_total,
        "last_used": _moment(state.last_used, now, wall),
        "last_error": _last_error(state, now, wall),
        "last_probe": _last_probe(state, now, wall),
        "in_flight": state.in_flight,
        "outcomes": engine.reporter.recorder.children.outcomes(service.rule, service),
        "latency_ms": state.latency.summary(now, 1000.0),
        "ttft_ms": state.ttft.summary(now, 1000.0),
        "tokens_per_second": _speed(state, now),
        "window": _window(state.window(service.time_window_s, now), now, wall),
        "headroom": _headroom(state, now, wall),
        "credentials": _credentials(engine, service, now, wall),
        "price": _price(service),
    }


def _since(health: Health, now: float, wall: float) -> str | None:
    """Since when its state is what it is; None for a service that was never out."""
    at = health.since if health.out else health.back_at
    if health.is_due(now):
        at = health.until  # on trial
    return None if at == float("-inf") else rfc3339(wall + at - now)


def _window(window: Window, now: float, wall: float) -> dict[str, Any]:
    told: dict[str, Any] = window.summary(now)
    return {
        **told,
        "started_at": _moment(window.started_at, now, wall),
        "length_s": window.length_s,
    }


def _moment(at: float | None, now: float, wall: float) -> str | None:
    return None if at is None else rfc3339(wall + at - now)


def _last_error(state: ServiceState, now: float, wall: float) -> dict[str, Any] | None:
    error = state.last_error
    if error is None:
        return None
    return {
        "at": _moment(error.at, now, wall),
        "outcome": str(error.outcome),
        "message": error.message,
    }


def _last_probe(state: ServiceState, now: float, wall: float) -> dict[str, Any] | None:
    if state.last_probe is None:
        return None
    return {"at": _moment(state.last_probe[0], now, wall), "outcome": state.last_probe[1]}


def _speed(state: ServiceState, now: float) -> dict[str, Any]:
    summary = state.speed.summary(now)
    return {"avg": summary["avg"], "samples": summary["samples"]}


def _headroom(state: ServiceState, now: float, wall: float) -> dict[str, Any]:
    left = state.headroom
    resets = [at for at in left.resets_at.values() if at > now]
    shown: dict[str, Any] = {"requests": None, "tokens": None, **left.remaining}
    shown["resets_at"] = rfc3339(wall + min(resets) - now) if resets else None
    return shown


def _price(service: Service) -> dict[str, Any] | None:
    """US dollars per million tokens, and where they are from; None where nobody knows."""
    price = service.price
    if price is None:
        return None
    return {"input": price.input, "output": price.output, "source": price.source}


def _credentials(engine: Engine, service: Service, now: float, wall: float) -> list[dict[str, Any]]:
    """Each credential by its source, with its state; its value is not shown."""
    shown = []
    keys = engine.clients[service.provider.name].keys
    for i, health in enumerate(engine.ledger.credentials.get(service.provider.name, [])):
        own = engine.ledger.candidate(service).state.keys
        worse = own[i] if i < len(own) and own[i].out else health
        shown.append(
            {
                "source": keys[i].label if i < len(keys) else "",
                "state": worse.state(now),
                "reason": worse.reason or None,
                "until": rfc3339(wall + worse.until - now) if worse.out else None,
                **_account(service.provider.oauth),
            }
        )
    return shown


def _account(oauth: OAuth | None) -> dict[str, str | None]:
    """Whose OAuth credentials they are; nothing for keys."""
    if oauth is None:
        return {}
    return {
        "provider_type": oauth.provider_type or None,
        "user_id": oauth.user_id or None,
        "expires_at": oauth.expires_at or None,
    }


def budgets_status(engine: Engine, now: float, wall: float) -> list[dict[str, Any]]:
    """Each budget of a day: what is left, and until when it is spent."""
    return [
        {
            "scope": budget.scope,
            "name": budget.name,
            "kind": budget.kind,
            "action": budget.action,
            "limit": budget.limit,
            "used": round(budget.used, 6),
            "left": round(max(0.0, budget.limit - budget.used), 6),
            "until": None if budget.until is None else rfc3339(wall + budget.until - now),
        }
        for budget in engine.router.budgets.spending.states(now)
    ]


def races_status(engine: Engine, now: float, wall: float) -> list[dict[str, Any]]:
    races: dict[str, list[dict[str, Any]]] = {}
    for (rule, service), record in sorted(engine.router.history.records.items()):
        wins, losses = record.dump(now)
        races.setdefault(rule, []).append(
            {
                "service": service,
                "wins": round(wins, 2),
                "losses": round(losses, 2),
                "score": round(record.win_rate(now), 3),
                "races_total": record.total,
                "latency_ms": None if record.latency_s is None else round(record.latency_s * 1000),
                "last_updated": _moment(record.last_at, now, wall),
            }
        )
    return [{"virtual_model": rule, "services": services} for rule, services in races.items()]
