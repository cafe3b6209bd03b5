"""Session affinity: which service the requests of one session, or with the same prompt prefix,
prefer, so that the upstream's prompt cache stays warm.

Weighted rendezvous hashing with a bound on load. Every proxy maps a key to the same service (the
key's home) without asking the others; a service that goes moves only its own keys; and no service
gets more than 1.25 x its share. Affinity is a preference among usable services, never a reason to
use another.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import ceil, log

from pilotfish.core.state.candidate import Candidate

LOAD_BOUND = 1.25
# How many keys are remembered. Beyond that the least recently used one is forgotten; hashing then
# finds the same home for it as long as the services are the same.
MAX_KEYS = 10_000
# Smart routing may send one session to several sets of services; it has a home in each of them.
MAX_HOMES_PER_KEY = 4


def session_key(rule: str, value: str) -> bytes | None:
    """The key of a session, for `by: header | user | client_ip`. None without a value: then there
    is no preference.
    """
    return _digest(rule, value.encode()) if value else None


def prefix_key(rule: str, system: bytes, tools: bytes, first_turn: bytes) -> bytes | None:
    """The key of a prompt prefix, for `by: prefix`. None if all parts are empty: then there is no
    preference.
    """
    return _digest(rule, system, tools, first_turn) if system or tools or first_turn else None


def _digest(rule: str, *parts: bytes) -> bytes:
    hashed = blake2b(rule.encode(), digest_size=16)
    for part in parts:
        # The length tells ("ab", "c") from ("a", "bc").
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.digest()


class AffinityTable:
    """The home of each key: the service that served it last. A key is forgotten `ttl_s` after its
    last request, or when the table is full.

    Homes are remembered, although hashing would find one, because a service that was out and
    returns must not pull back all its sessions at once, away from the prompt caches that they have
    warmed elsewhere.
    """

    def __init__(self, size: int = MAX_KEYS) -> None:
        self._size = size
        # Key -> (service ids, the latest first; time of expiry), in the order of the last use.
        self._homes: dict[bytes, tuple[tuple[str, ...], float]] = {}

    def __len__(self) -> int:
        return len(self._homes)

    def prefer(self, key: bytes, usable: Sequence[Candidate], now: float) -> Candidate:
        """The service that a key prefers: its home if that is usable and below its bound of load,
        else the highest by hash that is. Changes nothing.
        """
        home = self._home(key, usable, now)
        if home is not None and not is_full(home, usable):
            return home
        ranked = sorted(usable, key=lambda c: rank(key, c), reverse=True)
        for c in ranked:
            if c is not home and not is_full(c, usable):
                return c
        # Reached by rounding only: not all services can be above 1.25 x their mean.
        return home or ranked[0]

    def _home(self, key: bytes, usable: Sequence[Candidate], now: float) -> Candidate | None:
        services, until = self._homes.get(key, ((), 0.0))
        if until <= now:
            return None
        for service in services:
            for c in usable:
                if c.service.id == service:
                    return c
        return None

    def on_picked(
        self,
        key: bytes,
        candidate: Candidate,
        usable: Sequence[Candidate],
        now: float,
        ttl_s: float,
    ) -> None:
        """Records that a request of this key goes to `candidate`, which becomes its home unless the
        present home is usable (and was only too busy).
        """
        home = self._home(key, usable, now)
        services, until = self._homes.pop(key, ((), 0.0))
        if until <= now:
            services = ()
        if home is None:
            service = candidate.service.id
            services = (service, *(s for s in services if s != service))[:MAX_HOMES_PER_KEY]
        self._homes[key] = (services, now + ttl_s)
        if len(self._homes) > self._size:
            del self._homes[next(iter(self._homes))]


def rank(key: bytes, c: Candidate) -> float:
    """The rendezvous score of a service for a key. The service with the highest is the key's home;
    each service is the highest for a share of the keys in proportion to its weight.
    """
    if c.weight <= 0.0:
        return -1.0 / (1 + _hash(key, c))  # below all others
    return -c.weight / log((_hash(key, c) + 0.5) / 2**64)


def _hash(key: bytes, c: Candidate) -> int:
    return int.from_bytes(blake2b(c.service.id.encode(), key=key, digest_size=8).digest(), "big")


def is_full(c: Candidate, usable: Sequence[Candidate]) -> bool:
    """Whether one more request would put a service above 1.25 x the mean of requests in flight per
    weight.
    """
    weights = in_flight = 0.0
    for other in usable:
        weights += other.weight
        in_flight += other.state.in_flight
    share = c.weight / weights if weights > 0.0 else 1.0 / len(usable)
    return c.state.in_flight + 1 > ceil(LOAD_BOUND * (in_flight + 1) * share)
