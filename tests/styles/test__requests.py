"""What the writers of requests have in common."""

from __future__ import annotations

import json

import pytest

from pilotfish.core.formats.neutral import Chat, Text, Tool, ToolChoice, ToolResult, Turn
from pilotfish.core.formats.style import Quirks
from pilotfish.styles._fields import Losses
from pilotfish.styles._requests import (
    alternating,
    claude_sampling,
    finished,
    offered_tools,
    stop_sequences,
    write_own_extras,
)


def chat(*turns: Turn, **fields) -> Chat:
    return Chat(model="m", turns=turns, **fields)


def test_turns_alternate_and_results_stand_at_the_head_of_theirs():
    result = ToolResult(call_id="a")
    given = chat(Turn("user", (Text("x"),), "ann"), Turn("user", (Text("y"), result)))
    losses = Losses()
    assert alternating(given, losses) == (Turn("user", (result, Text("x"), Text("y"))),)
    assert losses.names() == ("messages.name",)


def test_instructions_in_the_middle_are_a_user_turn_that_says_so_where_there_is_no_role_for_them():
    given = chat(Turn("user", (Text("x"),)), Turn("system", (Text("a"), Text("b"))))
    assert alternating(given, Losses())[0].parts[1] == Text("<system>\na\n\nb\n</system>")
    assert alternating(given, Losses(), system_turns=True)[1].role == "system"


def test_a_system_turn_stands_only_where_claude_takes_it():
    system, user, answer = (Turn(role, (Text("x"),)) for role in ("system", "user", "assistant"))
    for turns, kept in (
        ((user, system, answer), True),
        ((user, system), True),
        ((user, answer, system), False),
        ((user, system, user), False),
        ((system, user), False),
    ):
        roles = {turn.role for turn in alternating(chat(*turns), Losses(), system_turns=True)}
        assert ("system" in roles) is kept


def test_only_the_tools_that_may_be_called_are_offered():
    f, g = Tool(name="f"), Tool(name="g")
    assert offered_tools(chat(tools=(f, g))) == [f, g]
    assert offered_tools(chat(tools=(f, g), tool_choice=ToolChoice("auto", ("g",)))) == [g]
    assert offered_tools(chat(tools=(f, g), tool_choice=ToolChoice("tool", ("g",)))) == [f, g]


@pytest.mark.parametrize(
    ("fields", "thinks", "expected", "lost"),
    [
        ({"temperature": 1.5}, False, (1.0, None, None), ("temperature",)),
        ({"temperature": 0.5, "top_p": 0.9}, False, (0.5, None, None), ("top_p",)),
        ({"temperature": 0.5, "top_p": 1}, False, (0.5, None, None), ()),
        ({"temperature": 0.5, "top_k": 3}, True, (None, None, None), ("temperature", "top_k")),
        ({"top_p": 0.97}, True, (None, 0.97, None), ()),
        ({"top_p": 0.9}, True, (None, None, None), ("top_p",)),
    ],
)
def test_claude_takes_what_it_takes_and_the_rest_is_named(fields, thinks, expected, lost):
    losses = Losses()
    found = claude_sampling(chat(**fields), Quirks(), losses, thinks=thinks, one_of_two=True)
    assert (found.temperature, found.top_p, found.top_k) == expected
    assert losses.names() == lost


def test_blank_stop_sequences_are_named_where_they_are_refused():
    losses = Losses()
    assert stop_sequences(chat(stop=("a", "\n")), losses, blank=False) == ["a"]
    assert losses.names() == ("stop",)
    assert stop_sequences(chat(stop=("a", "\n")), Losses(), blank=True) == ["a", "\n"]


def test_a_clients_own_fields_come_back_and_those_of_others_are_named():
    body: dict = {"config": {"a": 1}}
    losses = Losses()
    extras = {"google": {"config.b": 2, "top": 3}, "openai": {"logit_bias": {}}}
    write_own_extras(chat(extras=extras), "google", body, losses, "config")
    assert body == {"config": {"a": 1, "b": 2}, "top": 3}
    assert losses.names() == ("logit_bias",)


def test_what_a_service_refuses_is_taken_out_wherever_it_stands():
    quirks = Quirks(refuses=frozenset({"seed", "user"}))
    written = finished({"user": "a", "x": {"seed": 1, "b": 2}}, quirks, Losses(("z",)), "x")
    assert json.loads(written.body) == {"x": {"b": 2}}
    assert written.dropped == ("z", "user", "seed")
