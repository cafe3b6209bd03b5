"""What simulated models say."""

from __future__ import annotations

import jsonschema
import orjson
import pytest

from pilotfish.simulated.answer import answer_to, instance_of, words
from pilotfish.simulated.asked import Asked, AskedTurn
from pilotfish.simulated.behaviour import Fault, Profile

TOOLS = {"weather": {"type": "object", "properties": {"city": {"type": "string"}}}, "time": None}


def said(*turns, fault=None, profile=None, **fields):
    asked = Asked(model="m", turns=[AskedTurn(*turn) for turn in turns], **fields)
    return answer_to(asked, profile or Profile(), fault or Fault(), 1)


def test_a_small_limit_of_tokens_cuts_the_answer():
    answer = said(("user", "hi"), max_tokens=3)
    assert (answer.text, answer.finish, answer.output_tokens) == (tuple(words(3)), "length", 3)


def test_thinking_uses_up_the_limit_first():
    answer = said(("user", "hi"), think=True, max_tokens=5)
    assert (len(answer.thinking), len(answer.text)) == (4, 1)


def test_a_call_that_does_not_fit_is_left_out_whole():
    answer = said(("user", "call:weather"), tools=TOOLS, max_tokens=1)
    assert (answer.calls, answer.finish) == ((), "length")


def test_a_tool_that_was_not_offered_is_not_called():
    assert said(("user", "call:rm"), tools=TOOLS).finish == "stop"


def test_tools_are_not_called_when_they_are_off_or_a_result_was_just_given():
    assert said(("user", "call:time"), tools=TOOLS, tools_off=True).calls == ()
    assert (
        said(("user", "call:time"), ("assistant", ""), ("tool", "12:00"), tools=TOOLS).calls == ()
    )


def test_several_calls_are_parallel_unless_that_is_refused():
    both = said(("user", 'call:weather({"city": "Kiel"}) and call:time'), tools=TOOLS)
    assert [(c.name, c.arguments) for c in both.calls] == [
        ("weather", '{"city": "Kiel"}'),
        ("time", "{}"),
    ]
    assert "".join(both.calls[0].pieces) == both.calls[0].arguments
    assert len(said(("user", "call:weather call:time"), tools=TOOLS, parallel=False).calls) == 1


@pytest.mark.parametrize(("forced", "name"), [("*", "weather"), ("time", "time")])
def test_a_forced_tool_is_called_without_being_asked_for(forced, name):
    assert [c.name for c in said(("user", "hi"), tools=TOOLS, forced=forced).calls] == [name]


def test_a_prefill_is_gone_on_from():
    whole = said(("user", "hi")).said
    rest = said(("user", "hi"), ("assistant", whole[:10])).said
    assert whole[:10] + rest == whole


def test_a_prefill_without_its_last_space_is_gone_on_from():
    whole = said(("user", "hi")).said
    assert said(("user", "hi"), ("assistant", "the small")).said == whole[len("the small") :]


def test_an_instruction_to_go_on_is_obeyed_and_may_overlap():
    turns = (
        ("user", "say:one two three four"),
        ("assistant", "one two "),
        ("user", "go on from there"),
    )
    assert said(*turns).said == "three four"
    assert said(*turns, fault=Fault(overlap=1)).said == "two three four"


def test_an_answer_that_was_complete_is_not_gone_on_from():
    assert (
        said(("user", "hi"), ("assistant", said(("user", "hi")).said), ("user", "and?")).said
        == said(("user", "and?")).said
    )


def test_cached_tokens_are_a_share_of_the_prompt():
    turn = ("user", "x" * 400)
    assert said(turn, fault=Fault(cached_percent=25)).cached_tokens == 25
    assert said(turn, profile=Profile(cached_ratio=0.5)).cached_tokens == 50
    assert said(turn, fault=Fault(cache_write_percent=30)).cache_write_tokens == 30
    assert said(turn).cache_write_tokens == 0


@pytest.mark.parametrize(
    "schema",
    [
        {
            "type": "object",
            "properties": {
                "n": {"type": "integer"},
                "tags": {"type": "array", "items": {"enum": ["a", "b"]}},
            },
            "required": ["n"],
        },
        {"anyOf": [{"type": "null"}, {"type": "string"}]},
        {"type": ["number", "null"]},
        {"const": 5},
        {"type": "boolean"},
        {"oneOf": [{"type": "string"}]},
    ],
)
def test_a_schema_is_answered_with_an_instance_of_it(schema):
    jsonschema.validate(instance_of(schema), schema)
    jsonschema.validate(orjson.loads(said(("user", "hi"), schema=schema).said), schema)


def test_geminis_spelling_of_types_is_read_too():
    assert instance_of({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}) == {"a": "fish"}
