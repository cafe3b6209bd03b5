"""Which services may serve a request now, in which order, and why the others may not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from pilotfish.core.model.tactic import Random
from pilotfish.core.routing.fitness import Fitness
from pilotfish.core.routing.passing import key_of
from pilotfish.core.routing.rule_state import CandidateSet, RuleState
from pilotfish.core.state.affinity import AffinityTable
from pilotfish.core.state.candidate import Candidate, ServiceState
from pilotfish.core.state.ledger import Ledger
from pilotfish.core.state.race_history import RaceHistory

# Why a service may not be used now. Short words on the hot path; `explain` adds the numbers.
COOLING, ON_TRIAL, REFUSED, LIMITED, HEADROOM, UNFIT = (
    "cooling",
    "on trial",
    "credential refused",
    "at its limit",
    "rate limit nearly used up",
    "not for this request",
)
TRIAL_POLL_S = 0.1  # how often a waiting request looks whether another one's trial has ended
# A service that asked to be left alone refuses a trial within this time if it still does. Its answer
# may take minutes, and nobody waits for that.
REFUSAL_S = 1.0
# Of the services passed over in one choice: what a page can show, and no request holds more.
PASSED_KEPT = 16


class Home(NamedTuple):
    """The affinity of one request: its key among the homes of all."""

    homes: AffinityTable
    key: bytes
    ttl_s: float


class Passed(NamedTuple):
    """A service that could not be used when somebody was chosen, and what was known of it then:
    `until` on the ledger's clock (None: nobody knew), `detail` a reason in words, or what was left
    of the vendor's limits by kind."""

    candidate: Candidate
    obstacle: str
    until: float | None
    detail: str | Mapping[str, float]


class Choice(NamedTuple):
    """One look for a service. `chosen` is None where none was usable, `reason` what the others were
    asked to take over for."""

    at: float
    chosen: Candidate | None
    candidate_set: CandidateSet | None
    usable: Sequence[Candidate]
    passed: Sequence[Passed]
    reason: str


class Limiter(Protocol):
    """Our own limits (`core.state.limits`): asked before an attempt; None where there is room, else
    until when there is none."""

    def blocked(
        self, candidate: Candidate, tokens: int, now: float
    ) -> tuple[str, float | None] | None: ...


class Plan:
    """The services that one request may use. `candidate_sets` in order of preference: the matching
    block's, then the rule's own. `thrift`: why the cheapest come first, whatever tier and tactic
    say. `fitness` says who cannot take the request at all, where that has to be looked at; `unfit`
    are those of whom it has said so, each with why.
    """

    __slots__ = (
        "_home",
        "_limiter",
        "candidate_sets",
        "choices",
        "fitness",
        "history",
        "ledger",
        "op",
        "rng",
        "rule",
        "rule_state",
        "thrift",
        "tokens",
        "tried",
        "unfit",
    )

    def __init__(
        self,
        rule_state: RuleState,
        ledger: Ledger,
        *,
        op: str,
        tokens: int,
        rng: Random,
        limiter: Limiter | None = None,
        block: int | None = None,
        home: Home | None = None,
        history: RaceHistory | None = None,
        thrift: str = "",
        fitness: Fitness | None = None,
    ) -> None:
        self.rule_state, self.rule, self.ledger = rule_state, rule_state.rule, ledger
        self.op, self.tokens, self.rng = op, tokens, rng
        self.thrift, self.candidate_sets = thrift, rule_state.candidate_sets(block, bool(thrift))
        self.tried: list[ServiceState] = []  # at most max_attempts of them
        self.history, self.fitness = history, fitness
        self.unfit: dict[int, str] = {}  # by the service's state
        # Each a Choice's fields: a tuple is made in a fifth of the time, and few are looked at.
        self.choices: list[
            tuple[
                float,
                Candidate | None,
                CandidateSet | None,
                Sequence[Candidate],
                Sequence[Passed],
                str,
            ]
        ] = []
        self._limiter, self._home = limiter, home

    # ---- questions

    def obstacle(self, candidate: Candidate, now: float) -> str | None:
        """Why this service may not be used now; None if it may."""
        if self.unfit and id(candidate.state) in self.unfit:
            return UNFIT
        blocking = self.ledger.blocking(candidate.state, now)
        if blocking is not None:
            if blocking.refused:
                return REFUSED
            return ON_TRIAL if blocking.is_due(now) else COOLING
        headroom = candidate.state.headroom
        if headroom.remaining and not headroom.covers(self.tokens, now):
            return HEADROOM
        if self._limiter is not None and self._limiter.blocked(candidate, self.tokens, now):
            return LIMITED
        return None

    def passed(self, candidate: Candidate, obstacle: str, now: float) -> Passed:
        """What stands in this service's way just now, with its figures: kept as they are, since
        they change.
        """
        if obstacle == UNFIT:
            return Passed(candidate, obstacle, None, self.unfit[id(candidate.state)])
        left = candidate.state.headroom
        if obstacle == HEADROOM:
            return Passed(
                candidate, obstacle, left.usable_at(self.tokens, now), dict(left.remaining)
            )
        if obstacle == LIMITED:
            limiter = self._limiter
            full = None if limiter is None else limiter.blocked(candidate, self.tokens, now)
            reason, until = ("", None) if full is None else full
            return Passed(candidate, obstacle, until, reason)
        blocking = self.ledger.blocking(candidate.state, now)
        if blocking is None:
            return Passed(candidate, obstacle, None, "")
        return Passed(
            candidate, obstacle, blocking.until if obstacle != ON_TRIAL else None, blocking.reason
        )

    @property
    def has_home(self) -> bool:
        """Whether affinity decides among the usable ones."""
        return self._home is not None

    def usable(
        self, now: float, reason: str = "", *, serving: bool = False
    ) -> tuple[CandidateSet, tuple[Candidate, ...], list[Candidate]] | None:
        """The first tier of the first candidate set that has usable services: the set, the whole
        tier, and who of it is usable. `reason`: only services marked to take over for it, and none
        of a model that has been asked, whoever offers it: it would say the same. `serving`: none
        that is on trial."""
        tried = self.tried
        models = {s.model for s in tried} if reason else ()
        for candidate_set in self.candidate_sets:
            for tier in candidate_set.tiers_for(self.op):
                found = [
                    c
                    for c in tier
                    if (not tried or c.state not in tried)
                    and (
                        not reason
                        or (reason in c.service.fallback and c.service.model not in models)
                    )
                    and self.obstacle(c, now) is None
                    and not (serving and self.ledger.on_trial(c.state, now))
                ]
                if found:
                    return candidate_set, tier, found
        return None

    def ordered(
        self, candidate_set: CandidateSet, usable: list[Candidate], now: float
    ) -> Sequence[Candidate]:
        """As the rule's tactic and affinity would have them; changes nothing."""
        tactic = self.rule.tactic
        ordered: Sequence[Candidate] = usable
        if tactic is not None and len(usable) > 1:
            ordered = tactic.order(
                usable, self.ledger.memory(self.rule.name, candidate_set.key), now, self.rng
            )
        if self._home is not None and len(usable) > 1:
            home = self._home.homes.prefer(self._home.key, usable, now)
            if home is not ordered[0]:
                ordered = [home, *(c for c in ordered if c is not home)]
        return ordered

    def others(self, now: float) -> bool:
        """Is there any service that has not been tried and may be used?"""
        return self.usable(now) is not None

    def fits(self, candidate: Candidate) -> bool:
        """Whether the service can take what this request holds. Looked at for those that are about
        to be asked, since it may take writing the whole request for them.
        """
        if self.fitness is None:
            return True
        why = self.fitness.lacks(candidate.service)
        if why:
            self.unfit[id(candidate.state)] = why
        return not why

    def key_for(self, candidate: Candidate, now: float) -> int:
        """The credential to use at this service: the one that holds what the request names, else
        one that may be asked.
        """
        if self.fitness is not None and self.fitness.holder is not None:
            held = key_of(candidate.service.provider, self.fitness.holder)
            if held is not None:
                return held
        return self.ledger.key_for(candidate.state, now) or 0

    def look_at_all(self) -> None:
        """Finds out of every service whether it can take the request."""
        if self.fitness is not None:
            for candidate in self.candidates():
                self.fits(candidate)

    def candidates(self) -> list[Candidate]:
        """All services that could ever serve this request, as far as is known, each once."""
        seen: dict[int, Candidate] = {}
        for candidate_set in self.candidate_sets:
            for tier in candidate_set.tiers_for(self.op):
                for c in tier:
                    if not self.unfit or id(c.state) not in self.unfit:
                        seen.setdefault(id(c.state), c)
        return list(seen.values())

    def last_resort(self, now: float) -> Candidate | None:
        """With all out: of those that are out after errors, not asked to be left alone and not
        refused, the one that comes back first."""
        out = []
        for c in self.candidates():
            blocking = self.ledger.blocking(c.state, now)
            if (
                blocking is c.state.health
                and c.state not in self.tried
                and not blocking.must_wait(now)
                and not (blocking.retry_after_given and now - blocking.trial_at < REFUSAL_S)
                and self.has_room(c, now)
                and self.fits(c)
            ):
                out.append(c)
        return min(out, key=lambda c: c.state.health.until, default=None)

    def has_room(self, candidate: Candidate, now: float) -> bool:
        """Whatever its health: is there a key for it, and room in our own limits?"""
        return self.ledger.key_for(candidate.state, now) is not None and (
            self._limiter is None or self._limiter.blocked(candidate, self.tokens, now) is None
        )

    def may_be_asked_again(self, candidate: Candidate, now: float) -> bool:
        """Once more by this request: it may have asked to be left alone since, or others may have
        taken what our limits leave."""
        return not candidate.state.health.must_wait(now) and self.has_room(candidate, now)

    def earliest_retry_after(self, now: float) -> tuple[float, Candidate] | None:
        """Of those that said when to come back, the first to do so and when, tried or not."""
        asked: list[tuple[float, Candidate]] = []
        for c in self.candidates():
            blocking = self.ledger.blocking(c.state, now)
            if blocking is None:
                if c.state in self.tried and c.state.health.retry_after_given:
                    asked.append((now, c))  # its time has come meanwhile
                continue
            if not blocking.retry_after_given or blocking.refused:
                continue
            at = max(blocking.until, now + TRIAL_POLL_S if blocking.trial else now)
            blocked = (
                self._limiter.blocked(c, self.tokens, now) if self._limiter is not None else None
            )
            if blocked is not None:
                at = max(at, now + TRIAL_POLL_S if blocked[1] is None else blocked[1])
            asked.append((at, c))
        return min(asked, key=lambda found: found[0], default=None)

    def room_at(self, now: float) -> float | None:
        """When our own limits or the vendor's next have room; None if they are not what stands in
        the way. `now` if nobody knows.
        """
        times: list[float] = []
        for c in self.candidates():
            if c.state in self.tried or self.ledger.blocking(c.state, now) is not None:
                continue
            blocked = (
                self._limiter.blocked(c, self.tokens, now) if self._limiter is not None else None
            )
            if blocked is not None:
                times.append(blocked[1] if blocked[1] is not None else now)
            elif not c.state.headroom.covers(self.tokens, now):
                times.append(c.state.headroom.usable_at(self.tokens, now))
        return min(times, default=None)

    def earliest(self, now: float) -> float | None:
        """Seconds until the first of the services that are out now is to be back."""
        times = []
        for c in self.candidates():
            blocking = self.ledger.blocking(c.state, now)
            if blocking is not None and not blocking.refused:
                times.append(blocking.until)
            times += [h.until for h in c.state.keys if h.out]
        room = self.room_at(now)
        if room is not None:
            times.append(max(room, now + 1.0))
        return max(0.0, min(times) - now) if times else None

    # ---- changes

    def next(self, now: float, reason: str = "", *, serving: bool = False) -> Candidate | None:
        """The service to try next. Only a request's first one counts as the tactic's pick."""
        while True:
            found = self.usable(now, reason, serving=serving)
            if found is None:
                # Who waits looks again and again.
                if not self.choices or self.choices[-1][1] is not None:
                    passed = self._passed_over(None, (), now)
                    self.choices.append((now, None, None, (), passed, reason))
                return None
            candidate_set, tier, usable = found
            chosen = self.ordered(candidate_set, usable, now)[0] if len(usable) > 1 else usable[0]
            if self.fitness is None or self.fits(chosen):
                break
        # Fallbacks, rivals and trials take no turn, and who is alone needs none.
        if (
            self.rule.tactic is not None
            and len(tier) > 1
            and not self.tried
            and not self.ledger.on_trial(chosen.state, now)
        ):
            self.rule.tactic.on_picked(
                chosen, usable, self.ledger.memory(self.rule.name, candidate_set.key), now
            )
        if self._home is not None and not serving:  # nor does a rival become a session's home
            self._home.homes.on_picked(self._home.key, chosen, usable, now, self._home.ttl_s)
        nobody_passed = (
            len(usable) == len(tier)
            and candidate_set is self.candidate_sets[0]
            and tier is candidate_set.tiers_for(self.op)[0]
        )
        over = [] if nobody_passed else self._passed_over(candidate_set, usable, now)
        self.choices.append((now, chosen, candidate_set, usable, over, reason))
        return chosen

    def _passed_over(
        self, candidate_set: CandidateSet | None, usable: Sequence[Candidate], now: float
    ) -> list[Passed]:
        """Those that would have come before, or beside, who is usable (nobody: all), but for what
        stands in their way.
        """
        passed: list[Passed] = []
        for one in self.candidate_sets:
            for tier in one.tiers_for(self.op):
                for c in tier:
                    known = c in usable or c.state in self.tried
                    obstacle = None if known else self.obstacle(c, now)
                    if obstacle is not None:
                        passed.append(self.passed(c, obstacle, now))
                        if len(passed) == PASSED_KEPT:
                            return passed
                if one is candidate_set and usable[0] in tier:
                    return passed
        return passed

    def try_again(self, candidate: Candidate) -> None:
        """It said when to come back, and that time has come."""
        if candidate.state in self.tried:
            self.tried.remove(candidate.state)
