"""Whatever happens in whatever order: what must hold of every request. `Story` checks the rest at
every step.
"""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from core.routing.playbook import House, Story
from pilotfish.core.model.outcome import Outcome

TWO_KEYS = "tokens: [{env: ONE}, {env: TWO}]"
LIMITS = ["", ", limits: {requests_per_minute: 3}", ", limits: {concurrency: 1}"]
RULES = [
    "",
    "retries: {max_retries: 0}",
    "retries: {max_retries: 5, max_attempts: 4, max_ms: 3000}",
    "timeouts: {total_s: 5}, queue_ms: 800",
    "on_stream_break: continue",
    "on_stream_break: restart, buffer: true",
    "hedge: {after: 500, min_ms: 0, budget_percent: 100}, on_stream_break: continue",
    "hedge: {after: 300, min_ms: 0, budget_percent: 100}, buffer: true",
    "race: {strategy: first_wins, max_parallel: 2, timeout_ms: 2000}, on_stream_break: continue",
    "race: {strategy: weighted, grace_period_ms: 300, max_parallel: 3}, buffer: true",
    "race: {strategy: quality, max_parallel: 4, timeout_ms: 3000}, retries: {max_attempts: 3}",
    "health: {probe_enabled: false, consecutive_error_threshold: 1}, cooldown: {base_delay_s: 1, multiplier: 2}",
    "fallback_on: [context_length], health: {consecutive_error_threshold: 1}",
    "fallback_on: [content_policy], retries: {max_attempts: 4}",
    "race: {strategy: weighted, max_parallel: 2}, fallback_on: [content_policy]",
]
FAILURES = [o for o in Outcome if o not in (Outcome.SERVED, Outcome.CLIENT_GONE, Outcome.LOST_RACE)]

outcomes = st.sampled_from(FAILURES)
waits = st.sampled_from([None, None, 0.0, 0.5, 2.0, 20.0])
# (which story, what, which attempt, seconds since the event before, outcome, asked to wait)
events = st.tuples(
    st.integers(0, 2),
    st.sampled_from(
        ["speaks", "completes", "fails", "fails", "wakes", "wakes", "wakes early", "late", "leaves"]
    ),
    st.integers(0, 6),
    st.sampled_from([0.0, 0.01, 0.3, 1.0, 4.0]),
    outcomes,
    waits,
)


def tell(
    story: Story, what: str, n: int, now: float, outcome: Outcome, wait_s: float | None
) -> str:
    """One event. Most are of an attempt that runs, some of one that is over or never was, which
    must change nothing.
    """
    running = story.running()
    if running and n < 5:
        n = running[n % len(running)]
    if what == "speaks":
        return story.speaks(n, now)
    if what == "completes":
        return story.completes(n, now)
    if what == "fails":
        relayed = story.relayed == n and outcome is not Outcome.BAD_REQUEST
        outcome = Outcome.BROKEN_STREAM if relayed else outcome
        reason = "context_length" if outcome is Outcome.BAD_REQUEST and n % 2 else ""
        reason = "content_policy" if outcome is Outcome.REFUSED else reason
        other_way = (
            outcome is Outcome.BAD_REQUEST
            and story.dispatch.resumes > 0
            and n % 2 == 0
            and story.runs(n)
        )
        return story.fails(
            n,
            outcome,
            now,
            wait_s=wait_s,
            reason=reason,
            resumable=relayed and n % 3 > 0,
            other_way=other_way,
        )
    if what == "wakes" and story.wake is not None:
        return story.wakes(max(now, story.wake))
    if what == "late":
        return story.is_late(now) if now >= story.deadline else ""
    return story.leaves(now) if what == "leaves" else story.wakes(now)


def check(story: Story) -> None:
    retries = story.plan.rule.retries
    assert len(story.starts) <= retries.max_attempts
    for name, times in Counter(story.starts).items():
        keys = len(story.house.candidate(name).service.provider.tokens)
        assert times <= 1 + retries.max_retries + max(0, keys - 1) + story.other_ways, (
            f"{name} was asked {times} times"
        )
    if not story.ended:
        assert story.running() or story.wake is not None, (
            "nothing runs, nobody wakes it, and the client waits"
        )


@settings(max_examples=250)
@given(
    limits=st.sampled_from(LIMITS),
    rule=st.sampled_from(RULES),
    services=st.sampled_from(["a", "a b", "a b/n c@1", "a a/n b c"]),
    story=st.lists(events, max_size=25),
)
def test_any_order_of_events_leads_to_one_end(
    limits: str,
    rule: str,
    services: str,
    story: list[tuple[int, str, int, float, Outcome, float | None]],
) -> None:
    """Three requests at once over the same services: no event raises, nothing runs on after the
    end, every request can end.
    """
    house = House(
        services, rule, a=f"{TWO_KEYS}{limits}", b="no_key_required: true, limits: {concurrency: 2}"
    )
    stories = [house.request(now=i * 0.1, streams=i != 2) for i in range(3)]
    now = 0.0
    for i, one in enumerate(stories):
        one.begins(i * 0.1)
        now = i * 0.1
    for which, what, n, passed, outcome, wait_s in story:
        now += passed
        one = stories[which]
        if what == "wakes" and one.wake is not None:
            now = max(now, one.wake)
        said = tell(one, what, n, now, outcome, wait_s)
        assert not (said and one.ended == "left" and "start" in said)
        check(one)
    for one in stories:
        bring_to_an_end(one, now)
    for one in stories:
        one.ends_unseen(now)
    assert all(state.in_flight == 0 for state in house.ledger.services.values())


def bring_to_an_end(story: Story, now: float) -> None:
    """All that runs fails, all that was asked for happens: it must end by itself, and soon."""
    for _ in range(400):
        if story.ended:
            break
        for n in story.running():
            story.fails(n, Outcome.TIMEOUT, now)
        if not story.ended and story.wake is not None:
            now = max(now, story.wake)
            story.wakes(now)
        if not story.ended and now >= story.deadline:
            story.is_late(now)
        check(story)
    assert story.ended
    assert not story.running()
