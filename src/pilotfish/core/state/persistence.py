"""The ledger as plain data and back, so that statistics, cooldowns and tactics' memories survive a
restart.

Times in the saved form are epoch seconds; inside a process they count from an origin of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, TypeGuard

import msgspec

from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.tactic import Memory
from pilotfish.core.state.candidate import ServiceState
from pilotfish.core.state.health import Health
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.race_history import RaceHistory, RaceRecord
from pilotfish.core.state.spending import Spending
from pilotfish.core.state.statistics import SAMPLE_AGE_S, Samples, Window

VERSION = 1

# What a damaged file may not say: counts beyond 64 bits, times that no calendar has.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
Moment = Annotated[float, msgspec.Meta(ge=0, le=1e11)]  # epoch seconds
Pairs = list[tuple[Moment, Amount]]  # (wall-clock time, value)


class SavedHealth(msgspec.Struct, array_like=True):
    """The health of a service, or of one of its keys, that was out."""

    until: Moment
    retry_after_given: bool
    trips: Count
    consecutive: Count
    reason: str
    outcome: str
    step: int = 0


class SavedWindow(msgspec.Struct, array_like=True):
    """A `statistics.Window`."""

    length_s: Amount
    started_at: Moment
    requests: Count
    input_tokens: Count
    output_tokens: Count
    cache_hits: Count
    cache_misses: Count
    cost_usd: Amount


class SavedService(msgspec.Struct):
    """A `ServiceState`. `health`: None if it served. `keys`: by index, those that were out."""

    provider: str
    model: str
    latency: Pairs = []
    ttft: Pairs = []
    speed: Pairs = []
    windows: list[SavedWindow] = []
    health: SavedHealth | None = None
    keys: dict[int, SavedHealth] = {}
    requests_total: Count = 0
    last_used: Moment | None = None


class SavedRace(msgspec.Struct, array_like=True):
    """A `race_history.RaceRecord`."""

    rule: str
    service: str
    wins: Amount
    losses: Amount
    total: Count = 0
    latency_s: Amount | None = None
    last_at: Moment | None = None


class SavedMemory(msgspec.Struct, array_like=True):
    """A tactic's memory. `group`: the candidate set's key, "rule" or ("block", its number)."""

    rule: str
    group: str | tuple[str, int]
    memory: dict[str, str | Count | dict[str, None]]


class SavedSpending(msgspec.Struct, array_like=True):
    """What was used of a budget of a day, by its meter's name."""

    meter: str
    used: Pairs


class Saved(msgspec.Struct):
    """The content of the state file. `saved_at`: epoch seconds."""

    version: int
    saved_at: Moment
    services: list[SavedService] = []
    races: list[SavedRace] = []
    memories: list[SavedMemory] = []
    spending: list[SavedSpending] = []


# ---- saving


def dump(
    ledger: Ledger,
    history: RaceHistory | None,
    now: float,
    wall: float,
    spending: Spending | None = None,
) -> Saved:
    """The state to save. `now` and `wall` are the same moment, on the ledger's clock and in epoch
    seconds.
    """
    shift = wall - now
    races = history.records.items() if history is not None else ()
    return Saved(
        version=VERSION,
        saved_at=wall,
        services=[_service(s, now, shift) for s in ledger.services.values()],
        races=[_race(rule, service, r, now, shift) for (rule, service), r in races],
        memories=[
            SavedMemory(rule, group, dict(m))
            for (rule, group), m in ledger.memories.items()
            if m and _is_plain(group)
        ],
        spending=[
            SavedSpending(name, [(max(0.0, at + shift), used) for at, used in meter.kept(now)])
            for name, meter in (spending.meters() if spending is not None else {}).items()
        ],
    )


def _race(rule: str, service: str, record: RaceRecord, now: float, shift: float) -> SavedRace:
    return SavedRace(
        rule,
        service,
        *record.dump(now),
        total=record.total,
        latency_s=record.latency_s,
        last_at=None if record.last_at is None else record.last_at + shift,
    )


def _is_plain(group: object) -> TypeGuard[str | tuple[str, int]]:
    return isinstance(group, (str, tuple))


def _service(state: ServiceState, now: float, shift: float) -> SavedService:
    return SavedService(
        provider=state.provider,
        model=state.model,
        latency=_pairs(state.latency, shift),
        ttft=_pairs(state.ttft, shift),
        speed=_pairs(state.speed, shift),
        windows=[
            SavedWindow(
                w.length_s,
                w.started_at + shift,
                w.requests,
                w.input_tokens,
                w.output_tokens,
                w.cache_hits,
                w.cache_misses,
                w.cost_usd,
            )
            for w in state.windows.values()
            if now - w.started_at < w.length_s
        ],
        health=_health(state.health, shift),
        keys={
            i: saved for i, h in enumerate(state.keys) if (saved := _health(h, shift)) is not None
        },
        requests_total=state.requests_total,
        last_used=None if state.last_used is None else state.last_used + shift,
    )


def _pairs(samples: Samples, shift: float) -> Pairs:
    return [(round(at + shift, 3), value) for at, value in samples.dump()]


def _health(health: Health, shift: float) -> SavedHealth | None:
    """None for a service that serves, and for refused credentials: a restart is often made to
    replace them.
    """
    if not health.out or health.refused:
        return None
    return SavedHealth(
        health.until + shift,
        health.retry_after_given,
        health.trips,
        health.consecutive,
        health.reason,
        health.outcome or "",
        health.step,
    )


# ---- restoring


def restore(
    saved: Saved,
    ledger: Ledger,
    history: RaceHistory | None,
    now: float,
    wall: float,
    spending: Spending | None = None,
) -> int:
    """Fills a ledger that has adopted its rules. Returns the number of services filled.

    Left out are services that the rules no longer name, samples that are too old, and whatever the
    ledger has measured already.
    """
    shift = now - wall
    filled = 0
    for service in saved.services:
        state = ledger.services.get((service.provider, service.model))
        if state is not None:
            _fill(state, service, shift, now)
            filled += 1
    if history is not None:
        for race in saved.races:
            record = history.record(race.rule, race.service)
            record.load(race.wins, race.losses, min(now, saved.saved_at + shift))
            record.total, record.latency_s = race.total, race.latency_s
            record.last_at = None if race.last_at is None else min(now, race.last_at + shift)
    for m in saved.memories:
        ledger.memories.setdefault((m.rule, m.group), Memory(m.memory))
    meters = spending.meters() if spending is not None else {}
    for budget in saved.spending:
        if budget.meter in meters:
            meters[budget.meter].restore([(at + shift, n) for at, n in budget.used], now)
    return filled


def _fill(state: ServiceState, service: SavedService, shift: float, now: float) -> None:
    for samples, pairs in (
        (state.latency, service.latency),
        (state.ttft, service.ttft),
        (state.speed, service.speed),
    ):
        if not samples.dump():
            # min(): a wall clock that was set back must not make samples that never expire.
            samples.load(
                [
                    (at, value)
                    for at, value in ((min(at + shift, now), value) for at, value in pairs)
                    if at > now - SAMPLE_AGE_S
                ]
            )
    state.requests_total += service.requests_total
    if state.last_used is None and service.last_used is not None:
        state.last_used = min(now, service.last_used + shift)
    for w in service.windows:
        started_at = min(w.started_at + shift, now)
        if w.length_s not in state.windows and now - started_at < w.length_s:
            window = state.windows[w.length_s] = Window(w.length_s, started_at)
            window.requests, window.input_tokens, window.output_tokens = (
                w.requests,
                w.input_tokens,
                w.output_tokens,
            )
            window.cache_hits, window.cache_misses, window.cost_usd = (
                w.cache_hits,
                w.cache_misses,
                w.cost_usd,
            )
    for health, was in _healths(state, service):
        if not health.out and not health.trips:
            health.out, health.since = True, now
            health.until, health.retry_after_given = was.until + shift, was.retry_after_given
            health.step = was.step
            health.trips, health.consecutive, health.reason = was.trips, was.consecutive, was.reason
            health.outcome = Outcome(was.outcome) if was.outcome in set(Outcome) else None


def _healths(state: ServiceState, service: SavedService) -> Iterable[tuple[Health, SavedHealth]]:
    if service.health is not None:
        yield state.health, service.health
    for i, was in service.keys.items():
        if i < len(state.keys):
            yield state.keys[i], was


# ---- bytes


def encode(saved: Saved) -> bytes:
    """The content of the state file."""
    return msgspec.json.encode(saved)


def decode(data: bytes) -> Saved:
    """What `encode` wrote. Raises `ValueError` for anything else, another version included."""
    try:
        saved = msgspec.json.decode(data, type=Saved)
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from error
    if saved.version != VERSION:
        raise ValueError(f"version {saved.version}, expected {VERSION}")
    return saved
