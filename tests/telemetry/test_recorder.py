"""What is counted of attempts and requests that are over."""

import pytest

from pilotfish.core.formats.usage import Usage
from pilotfish.core.model.outcome import Outcome
from pilotfish.telemetry import series as s
from pilotfish.telemetry.recorder import MetricsRecorder
from pilotfish.telemetry.registry import Histogram, Registry
from telemetry.rules import USAGE, attempt, failure, request, rule, snapshot

RACE = {"strategy": "first_wins", "max_parallel": 2}
RULES = snapshot(
    "chat",
    rule("two", "p/m", "q/m"),
    rule("race", "p/m", "q/m", race=RACE),
    rule("hedge", "p/m", "q/m", hedge={"after": 100}),
    rule("go-on", "p/m", "q/m", on_stream_break="continue"),
    rule("anew", "p/m", "q/m", on_stream_break="restart", buffer=True),
)
BY_NAME = {r.name: r for r in RULES.rules}
P, Q = "p/m", "q/m"


class World:
    def __init__(self):
        self.registry = Registry()
        self.recorder = MetricsRecorder(self.registry)
        self.recorder.adopt(RULES)

    def over(self, made):
        """The attempts, then the request."""
        for each in made.attempts:
            self.recorder.attempt_over(each, made)
        self.recorder.request_over(made)

    def number(self, series, *labels):
        child = self.registry[series].children.get(labels)
        if isinstance(child, Histogram):
            return sum(child.counts)
        return None if child is None else child.value

    def counted(self, series):
        """Labels of what is not 0."""
        children = self.registry[series].children
        return {at: self.number(series, *at) for at in children if self.number(series, *at)}


@pytest.fixture
def world():
    return World()


def services(name):
    made = {s.id: s for tier in [BY_NAME[name].services] for s in tier}
    return made[P], made.get(Q)


def test_a_request_that_nobody_served_counts_its_error_and_no_latency(world):
    service, _ = services("chat")
    said = failure(Outcome.SERVER_ERROR)
    world.over(
        request(
            BY_NAME["chat"],
            attempt(service, Outcome.SERVER_ERROR, failure=said, first_at=0.0, relayed=False),
            code=500,
            failure=said,
        )
    )
    assert world.counted(s.ATTEMPTS) == {("chat", "p", "m", "server_error"): 1}
    assert world.counted(s.REQUESTS) == {("chat", "openai", "500"): 1}
    assert world.counted(s.GEN_AI_DURATION) == {("chat", "p", "ask-chat", "m", "server_error"): 1}
    for series in (s.GEN_AI_FIRST_TOKEN, s.GEN_AI_PER_TOKEN, s.FIRST_BYTE, s.OUTPUT_SPEED):
        assert world.counted(series) == {}


def test_an_attempt_without_an_outcome_is_a_server_error(world):
    """A fault of the proxy's own ended it."""
    service, _ = services("chat")
    world.recorder.attempt_over(attempt(service, None), request(BY_NAME["chat"]))
    assert world.counted(s.ATTEMPTS) == {("chat", "p", "m", "server_error"): 1}


def test_a_served_stream_is_counted_in_all_that_it_was(world):
    service, _ = services("chat")
    world.over(request(BY_NAME["chat"], attempt(service, usage=USAGE, cost_usd=0.25)))
    at, gen_ai = ("chat", "p", "m"), ("chat", "p", "ask-chat", "m")
    assert world.counted(s.TOKENS_TOTAL) == {
        (*at, "input"): 100,
        (*at, "cached_input"): 40,
        (*at, "cache_write"): 10,
        (*at, "output"): 11,
        (*at, "reasoning"): 5,
    }
    assert world.counted(s.COST) == {at: 0.25}
    assert world.counted(s.GEN_AI_FIRST_TOKEN) == {gen_ai: 1}
    assert world.counted(s.GEN_AI_PER_TOKEN) == {gen_ai: 1}
    assert world.counted(s.OUTPUT_SPEED) == {at: 1}
    kinds = {labels[4] for labels in world.counted(s.GEN_AI_TOKENS)}
    assert kinds == {"input", "output", "cached_input", "cache_creation_input", "reasoning"}
    assert world.counted(s.ESTIMATED) == {}
    assert world.registry[s.DURATIONS].children["chat", "openai", "true"].total == 2.0
    first = world.registry[s.GEN_AI_FIRST_TOKEN].children[gen_ai]
    assert first.total == pytest.approx(0.2)
    per_token = world.registry[s.GEN_AI_PER_TOKEN].children[gen_ai]
    assert per_token.total == pytest.approx(1.0 / 10)


def test_every_call_counts_under_the_conventions_names_of_calls(world):
    """A request has one duration, each of its calls another; what failed is told by its outcome."""
    first, second = services("two")
    gone = attempt(first, Outcome.TIMEOUT, usage=Usage(input=7), failure=failure(Outcome.TIMEOUT))
    world.over(request(BY_NAME["two"], gone, attempt(second, n=1, usage=USAGE)))
    at = ("chat", "q", "ask-two", "m")
    assert world.counted(s.CALL_DURATION) == {
        ("chat", "p", "ask-two", "m", "timeout"): 1,
        (*at, ""): 1,
    }
    assert world.registry[s.CALL_DURATION].children[*at, ""].total == pytest.approx(1.3)
    assert world.counted(s.CALL_FIRST_CHUNK) == {at: 1}
    spent = {
        series: world.counted(series).get((*at, "unknown"))
        for series in (
            s.SPENT_INPUT,
            s.SPENT_OUTPUT,
            s.SPENT_CACHE_READ,
            s.SPENT_CACHE_WRITE,
            s.SPENT_REASONING,
        )
    }
    assert list(spent.values()) == [100, 11, 40, 10, 5]
    assert world.counted(s.SPENT_INPUT)["chat", "p", "ask-two", "m", "unknown"] == 7


def test_a_call_that_lost_a_race_or_was_never_sent_has_no_duration(world):
    first, second = services("race")
    lost = attempt(second, Outcome.LOST_RACE, n=1, usage=USAGE)
    unsent = attempt(second, Outcome.CONNECT_FAILED, n=2, sent_at=0.0)
    world.over(request(BY_NAME["race"], attempt(first), lost, unsent))
    assert world.counted(s.CALL_DURATION) == {("chat", "p", "ask-race", "m", ""): 1}
    assert world.counted(s.SPENT_INPUT) == {("chat", "q", "ask-race", "m", "unknown"): 100}


def test_a_whole_answer_has_no_first_chunk(world):
    service, _ = services("chat")
    world.over(request(BY_NAME["chat"], attempt(service), stream=False))
    assert world.counted(s.CALL_FIRST_CHUNK) == {}


def test_an_answer_of_one_token_has_no_time_per_token(world):
    service, _ = services("chat")
    world.over(request(BY_NAME["chat"], attempt(service, usage=Usage(input=3, output=1))))
    assert world.counted(s.GEN_AI_PER_TOKEN) == {}
    assert world.counted(s.GEN_AI_FIRST_TOKEN) != {}


def test_usage_that_was_estimated_is_marked(world):
    service, _ = services("chat")
    usage = Usage(input=3, output=3, estimated=True)
    world.over(request(BY_NAME["chat"], attempt(service, usage=usage)))
    assert world.counted(s.ESTIMATED) == {("chat", "p", "m"): 1}


def test_overhead_is_never_more_than_the_whole(world):
    service, _ = services("chat")
    world.over(request(BY_NAME["chat"], attempt(service), busy_s=99.0))
    assert world.registry[s.OVERHEADS].children["true",].total == 2.0


def test_a_client_that_left_counts_as_such_and_is_an_error_of_the_conventions(world):
    service, _ = services("chat")
    said = failure(Outcome.CLIENT_GONE)
    made = attempt(service, Outcome.CLIENT_GONE, failure=said, relayed=True)
    world.over(request(BY_NAME["chat"], made, code=499, failure=said))
    assert world.counted(s.CLIENT_GONE) == {("chat",): 1}
    assert world.counted(s.GEN_AI_DURATION) == {("chat", "p", "ask-chat", "m", "client_gone"): 1}
    assert world.counted(s.GEN_AI_FIRST_TOKEN) == {}


def test_retries_fallbacks_and_the_last_resort_are_counted_by_rule(world):
    first, second = services("two")
    world.over(
        request(
            BY_NAME["two"],
            attempt(first, Outcome.OVERLOADED, failure=failure(Outcome.OVERLOADED)),
            attempt(second, n=1),
            retries=2,
            fallbacks=1,
            last_resort=True,
        )
    )
    for series, number in ((s.RETRIES, 2), (s.FALLBACKS, 1), (s.FORCED, 1)):
        assert world.counted(series) == {("two",): number}


def test_of_a_race_one_won_and_what_the_others_took_is_waste(world):
    first, second = services("race")
    lost = attempt(second, Outcome.LOST_RACE, n=1, usage=Usage(input=9, output=4))
    world.over(request(BY_NAME["race"], attempt(first, usage=USAGE), lost))
    assert world.counted(s.RACES) == {("race", "p", "m", "won"): 1, ("race", "q", "m", "lost"): 1}
    assert world.counted(s.WASTED_TOKENS) == {("race", "race"): 13}


def test_a_participant_that_was_complete_but_not_chosen_lost_and_one_that_failed_failed(world):
    first, second = services("race")
    complete = attempt(second, n=1, usage=Usage(input=9, output=4), relayed=False)
    world.over(request(BY_NAME["race"], attempt(first), complete))
    failed = attempt(second, Outcome.TIMEOUT, n=1, failure=failure(Outcome.TIMEOUT))
    world.over(request(BY_NAME["race"], attempt(first), failed))
    assert world.counted(s.RACES) == {
        ("race", "p", "m", "won"): 2,
        ("race", "q", "m", "lost"): 1,
        ("race", "q", "m", "failed"): 1,
    }
    assert world.counted(s.WASTED_TOKENS) == {("race", "race"): 13}


def test_a_race_that_the_client_left_was_won_by_nobody(world):
    first, second = services("race")
    left = [
        attempt(each, Outcome.CLIENT_GONE, n=n, relayed=False)
        for n, each in enumerate((first, second))
    ]
    said = failure(Outcome.CLIENT_GONE)
    world.over(request(BY_NAME["race"], *left, code=499, failure=said))
    assert world.counted(s.RACES) == {}


@pytest.mark.parametrize(("hedge_wins", "result"), [(True, "won"), (False, "lost")])
def test_a_hedge_wins_or_loses(world, hedge_wins, result):
    first, second = services("hedge")
    outcomes = (
        [Outcome.LOST_RACE, Outcome.SERVED] if hedge_wins else [Outcome.SERVED, Outcome.LOST_RACE]
    )
    slow = attempt(first, outcomes[0], usage=Usage(input=2, output=1))
    late = attempt(second, outcomes[1], n=1, extra="hedge", usage=Usage(input=2, output=1))
    world.over(request(BY_NAME["hedge"], slow, late, hedges=1))
    assert world.counted(s.HEDGES) == {("hedge", result): 1}
    assert world.counted(s.WASTED_TOKENS) == {("hedge", "hedge"): 3}


def broken(service, code="stream_broken", **fields):
    said = failure(Outcome.BROKEN_STREAM, code=code)
    return attempt(service, Outcome.BROKEN_STREAM, failure=said, **fields)


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("stream_broken", "broken"),
        ("stream_stalled", "stalled"),
        ("timeout", "timeout"),
        ("overloaded_error", "error_event"),
    ],
)
def test_a_broken_stream_has_its_cause(world, code, cause):
    service, _ = services("chat")
    said = failure(Outcome.BROKEN_STREAM, code=code)
    world.over(request(BY_NAME["chat"], broken(service, code, relayed=True), failure=said))
    assert world.counted(s.STREAM_BREAKS) == {("p", "m", cause): 1}


@pytest.mark.parametrize("well", [True, False])
def test_a_stream_that_another_service_went_on_with_was_rescued_or_not(world, well):
    first, second = services("go-on")
    then = attempt(second, n=1, resumes=True) if well else broken(second, n=1, resumes=True)
    said = None if well else failure(Outcome.BROKEN_STREAM)
    made = request(BY_NAME["go-on"], broken(first, relayed=True), then, resumes=1, failure=said)
    world.over(made)
    result = "rescued" if well else "failed"
    assert world.counted(s.STREAM_RESCUES) == {("go-on", "continue", result): 1}
    assert world.counted(s.WASTED_TOKENS) == {}


def test_what_a_buffered_answer_took_before_it_was_started_anew_is_waste(world):
    first, second = services("anew")
    made = request(
        BY_NAME["anew"], broken(first, usage=Usage(input=6, output=3)), attempt(second, n=1)
    )
    world.over(made)
    assert world.counted(s.STREAM_RESCUES) == {("anew", "restart", "rescued"): 1}
    assert world.counted(s.WASTED_TOKENS) == {("anew", "rescue"): 9}


def test_unreadable_events_and_dropped_fields_are_counted_by_known_names_only(world):
    service, _ = services("chat")
    made = request(BY_NAME["chat"], attempt(service, malformed=3))
    made.note_dropped(("logit_bias", "made.up"))
    world.over(made)
    assert world.counted(s.MALFORMED) == {("p", "m"): 3}
    assert world.counted(s.DROPPED) == {("openai", "logit_bias"): 1, ("openai", "other"): 1}


def test_a_model_that_a_client_made_up_is_other(world):
    service, _ = services("chat")
    world.over(request(BY_NAME["chat"], attempt(service, usage=USAGE), known=False))
    models = {at[2] for at in world.counted(s.ATTEMPTS)} | {
        name for at in world.counted(s.GEN_AI_DURATION) for name in at[2:4]
    }
    assert models <= {"other"}


def test_traces_are_remembered_where_a_request_has_one(world):
    service, _ = services("chat")
    world.over(request(BY_NAME["chat"], attempt(service, usage=USAGE), trace_id="ab" * 16))
    exemplars = [
        child.exemplars
        for series in (s.DURATIONS, s.GEN_AI_DURATION, s.GEN_AI_FIRST_TOKEN)
        for child in world.registry[series].children.values()
        if child.exemplars
    ]
    assert [trace for found in exemplars for trace, _, _ in found.values()] == ["ab" * 16] * 3
    assert {wall for found in exemplars for _, _, wall in found.values()} == {1_764_000_002.0}


def test_a_local_reply_is_a_request_without_attempts(world):
    world.recorder.local_reply("", "openai", 404)
    assert world.counted(s.REQUESTS) == {("", "openai", "404"): 1}
    assert world.counted(s.ATTEMPTS) == {}
