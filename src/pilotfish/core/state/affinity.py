"""Which service a session, or requests with the same beginning, should come back to, so that the
upstream's prompt cache stays warm.

Weighted rendezvous hashing with a bound on load: every proxy finds the same home for a key without
asking the others, a service that goes moves only its own keys, and no home gets more than 1.25 x
its share. It is a preference: it only ever names one of the usable.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import ceil, log

from pilotfish.core.state.candidate import Candidate

LOAD_BOUND = 1.25
# keys remembered; beyond that the one not seen for longest is forgotten, and hashing finds it again
# mostly
HOMES = 10_000
HOMES_OF_A_KEY = 4  # a session that content routing sends here and there has a home in each group


def session_key(rule: str, value: str) -> bytes | None:
    """For `by: header | user | client_ip`: the key of a session; None without a value, then there
    is no preference.
    """
    return _digest(rule, value.encode()) if value else None


def prefix_key(rule: str, system: bytes, tools: bytes, first_turn: bytes) -> bytes | None:
    """For `by: prefix`: what upstream prompt caches go by, the text as the client sent it. None for
    a request without any.
    """
    return _digest(rule, system, tools, first_turn) if system or tools or first_turn else None


def _digest(rule: str, *parts: bytes) -> bytes:
    hashed = blake2b(rule.encode(), digest_size=16)
    for part in parts:
        # Lengths keep ("ab", "c") apart from ("a", "bc").
        hashed.update(len(part).to_bytes(8, "big"))
        hashed.update(part)
    return hashed.digest()


class AffinityTable:
    """Where each key was served last: bounded in number, and forgotten `ttl_s` after its last
    request.

    A key's home is remembered beside its hash because a service that was out and returns must not
    pull back all its sessions at once, away from the caches that they have warmed meanwhile.
    """

    def __init__(self, size: int = HOMES) -> None:
        self._size = size
        # Key -> (service ids, the latest first; until when). In the order of the last use.
        self._homes: dict[bytes, tuple[tuple[str, ...], float]] = {}

    def __len__(self) -> int:
        return len(self._homes)

    def prefer(self, key: bytes, usable: Sequence[Candidate], now: float) -> Candidate:
        """Its home where that is usable and not above its bound of load, else the next by hash that
        is. A question.
        """
        home = self._home(key, usable, now)
        if home is not None and not is_full(home, usable):
            return home
        ranked = sorted(usable, key=lambda c: rank(key, c), reverse=True)
        for c in ranked:
            if c is not home and not is_full(c, usable):
                return c
        return home or ranked[0]  # rounding only: not all can be above 1.25 x their mean

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
        """A request of this key goes to `candidate`: its home from now on, unless its home was
        usable and only too busy.
        """
        home = self._home(key, usable, now)
        services, until = self._homes.pop(key, ((), 0.0))
        if until <= now:
            services = ()
        if home is None:
            service = candidate.service.id
            services = (service, *(s for s in services if s != service))[:HOMES_OF_A_KEY]
        self._homes[key] = (services, now + ttl_s)
        if len(self._homes) > self._size:
            del self._homes[next(iter(self._homes))]


def rank(key: bytes, c: Candidate) -> float:
    """The highest is the key's home. Each service is the highest for a share of the keys in
    proportion to its weight.
    """
    if c.weight <= 0.0:
        return -1.0 / (1 + _number(key, c))  # after all others
    return -c.weight / log((_number(key, c) + 0.5) / 2**64)


def _number(key: bytes, c: Candidate) -> int:
    return int.from_bytes(blake2b(c.service.id.encode(), key=key, digest_size=8).digest(), "big")


def is_full(c: Candidate, usable: Sequence[Candidate]) -> bool:
    """Would one more request put it above 1.25 x the mean of requests in flight per weight?"""
    weights = in_flight = 0.0
    for other in usable:
        weights += other.weight
        in_flight += other.state.in_flight
    share = c.weight / weights if weights > 0.0 else 1.0 / len(usable)
    return c.state.in_flight + 1 > ceil(LOAD_BOUND * (in_flight + 1) * share)
