"""When certificates are made, renewed and given up: decided from what the replicas' shared Secret
holds. Times are epoch seconds.

An authority is replaced in two steps, so that at no moment a server shows a certificate that some
API server does not trust yet: first the next authority is announced (it joins the bundle that API
servers trust), and only when that has settled everywhere it signs. The old one stays in the bundle
until it ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

_DAY_S = 86_400.0


@dataclass(frozen=True)
class Lifetimes:
    """An authority is replaced when a third of its life is left, a leaf when half is: there is time
    to repair what hinders it.
    """

    authority_s: float = 365 * _DAY_S
    leaf_s: float = 7 * _DAY_S
    # From the moment the bundle is in the webhooks' configuration until every API server of the
    # cluster has seen it.
    settle_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """What the Secret holds. `leaf_fits`: signed by the authority, for the right names.
    `announced_at`: since when a next one waits.
    """

    authority_ends: float
    leaf_ends: float
    leaf_fits: bool
    announced_at: float | None = None


class Step(Enum):
    CREATE = "create"
    ANNOUNCE = "announce"
    SWITCH = "switch"
    RENEW = "renew"
    NOTHING = "nothing"


def next_step(held: Held | None, lifetimes: Lifetimes, now: float) -> Step:
    """The one thing to do now. `held` None: there is nothing, or nothing usable."""
    if held is None or held.authority_ends <= now:
        return Step.CREATE
    if held.announced_at is not None and now >= held.announced_at + lifetimes.settle_s:
        return Step.SWITCH
    # A leaf cannot outlive its authority: near the authority's end renewing it gains nothing.
    is_old = held.leaf_ends - now < min(lifetimes.leaf_s, held.authority_ends - now) / 2
    if not held.leaf_fits or (is_old and held.authority_ends > held.leaf_ends + 1):
        return Step.RENEW
    if held.announced_at is None and held.authority_ends - now < lifetimes.authority_s / 3:
        return Step.ANNOUNCE
    return Step.NOTHING


def due_at(held: Held, lifetimes: Lifetimes) -> float:
    """When `next_step` will have something to do, if nobody changes the Secret: epoch seconds."""
    due = [held.authority_ends]
    if held.announced_at is not None:
        due.append(held.announced_at + lifetimes.settle_s)
    else:
        due.append(held.authority_ends - lifetimes.authority_s / 3)
    if held.authority_ends > held.leaf_ends + 1:
        # Both limits of `is_old`: half of a leaf's life, and half of what its authority has left.
        due.append(
            max(held.leaf_ends - lifetimes.leaf_s / 2, 2 * held.leaf_ends - held.authority_ends)
        )
    return min(due)
