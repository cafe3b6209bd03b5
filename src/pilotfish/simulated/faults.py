"""Which fault a request gets: by endpoint, key and model, so that a vendor can disagree with
itself.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, deque

from pilotfish.simulated.behaviour import Fault, Profile
from pilotfish.simulated.endpoint import ENDPOINTS
from pilotfish.simulated.words import fault_in


class Behaviour:
    """What goes wrong with the requests to an endpoint, with a key or for a model; None stands for
    any. `on`, `for_key` and `for_model` narrow it down.

    Requests that several behaviours concern get all of their faults; where two of them speak of
    the same thing, the narrower one wins.
    """

    def __init__(
        self,
        faults: Faults,
        endpoint: str | None = None,
        key: str | None = None,
        model: str | None = None,
    ) -> None:
        self.endpoint, self.key, self.model = endpoint, key, model
        self._faults = faults
        self._script: deque[Fault] = deque()
        self._standing: Fault | None = None
        self._until: asyncio.Event | None = None

    def script(self, *faults: Fault) -> Behaviour:
        """The next requests get these, in order; `Fault()` stands for none."""
        self._script.extend(faults)
        return self

    def always(self, fault: Fault | None, *, until: asyncio.Event | None = None) -> Behaviour:
        """Every request gets this when the script is used up, as long as `until` is not set; None
        ends it.
        """
        self._standing, self._until = fault, until
        return self

    def on(
        self, endpoint: str, fault: Fault | None = None, *, until: asyncio.Event | None = None
    ) -> Behaviour:
        """Requests to this endpoint: one of `ENDPOINTS`. With a fault as `always`."""
        if endpoint not in ENDPOINTS:
            known = ", ".join(sorted(ENDPOINTS))
            raise ValueError(f"unknown endpoint {endpoint!r}; known: {known}")
        return self._faults.behaviour(endpoint, self.key, self.model)._given(fault, until)

    def for_key(
        self, key: str, fault: Fault | None = None, *, until: asyncio.Event | None = None
    ) -> Behaviour:
        """Requests with this credential, which the vendor knows from now on. With a fault as
        `always`.
        """
        return self._faults.behaviour(self.endpoint, key, self.model)._given(fault, until)

    def for_model(
        self, model: str, fault: Fault | None = None, *, until: asyncio.Event | None = None
    ) -> Behaviour:
        """Requests for this model. With a fault as `always`."""
        return self._faults.behaviour(self.endpoint, self.key, model)._given(fault, until)

    def _given(self, fault: Fault | None, until: asyncio.Event | None) -> Behaviour:
        return self if fault is None else self.always(fault, until=until)

    def concerns(self, endpoint: str, key: str | None, model: str) -> bool:
        return (
            self.endpoint in (None, endpoint)
            and self.key in (None, key)
            and self.model in (None, model)
        )

    def next(self) -> Fault:
        """The fault of the next request."""
        if self._script:
            return self._script.popleft()
        if self._standing is None or (self._until is not None and self._until.is_set()):
            return Fault()
        return self._standing


class Faults:
    """All behaviours of a vendor. Words in the model's name say what no behaviour speaks of."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._behaviours: dict[tuple[str | None, str | None, str | None], Behaviour] = {}
        self._asked: Counter[str] = Counter()
        self._rng = random.Random(profile.seed)
        self.any = self.behaviour(None, None, None)

    def behaviour(self, endpoint: str | None, key: str | None, model: str | None) -> Behaviour:
        at = (endpoint, key, model)
        found = self._behaviours.get(at)
        if found is None:
            found = self._behaviours[at] = Behaviour(self, *at)
            # Narrower ones last: they are heard last.
            by_width = sorted(
                self._behaviours.items(), key=lambda pair: sum(x is not None for x in pair[0])
            )
            self._behaviours = dict(by_width)
        return found

    def knows(self, key: str | None) -> bool:
        """Whether a behaviour speaks of this key."""
        return key is not None and any(key == at[1] for at in self._behaviours)

    def next_for(self, endpoint: str, key: str | None, model: str) -> Fault:
        """Raises ValueError for words in the model's name that mean nothing."""
        fault = Fault()
        for behaviour in self._behaviours.values():
            if behaviour.concerns(endpoint, key, model):
                fault = fault | behaviour.next()
        if self._profile.error_ratio and self._rng.random() < self._profile.error_ratio:
            fault = Fault.status(500) | fault
        worded = fault_in(model)
        if worded is None:
            return fault
        self._asked[model] += 1
        number = self._asked[model]
        if (worded.first is not None and number > worded.first) or (
            worded.every is not None and number % worded.every
        ):
            return fault
        return worded | fault
