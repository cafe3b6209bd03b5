"""What more than one style leans on in the neutral form."""

from __future__ import annotations

import pytest

from pilotfish.core.formats.neutral import (
    EFFORTS,
    Text,
    Turn,
    arguments_object,
    budget_for,
    effort_for,
    merged,
)


class TestArgumentsAsAnObject:
    @pytest.mark.parametrize(
        "bad", ['{"a": 1', "[1]", "1", "null", "not json", '"\\ud800', "[" * 5000]
    )
    def test_what_is_no_object_is_kept_as_it_is(self, bad):
        """A model's broken arguments must reach the next model, so that it can say what was wrong
        with them.
        """
        assert arguments_object(bad) == {"_raw": bad}

    @pytest.mark.parametrize("none", ["", "  ", "\n"])
    def test_no_arguments_are_an_empty_object(self, none):
        assert arguments_object(none) == {}

    def test_an_object_is_itself(self):
        assert arguments_object('{"a": [1, null]}') == {"a": [1, None]}


class TestEffortAndBudget:
    @pytest.mark.parametrize("unknown", ["none", "", "extreme"])
    def test_words_off_the_ladder_have_no_budget(self, unknown):
        assert budget_for(unknown) is None

    @pytest.mark.parametrize(
        ("budget", "effort"),
        [
            (0, "none"),
            (-1, "medium"),
            (1, "minimal"),
            (1024, "minimal"),
            (1025, "low"),
            (31999, "max"),
            (200_000, "max"),
        ],
    )
    def test_a_budget_is_the_least_effort_that_covers_it(self, budget, effort):
        assert effort_for(budget) == effort

    def test_the_ladder_leads_there_and_back(self):
        assert [effort_for(budget_for(effort) or 0) for effort in EFFORTS] == list(EFFORTS)


def test_neighbours_of_one_role_are_one_turn_and_names_keep_them_apart():
    a, b, c = Text("a"), Text("b"), Text("c")
    turns = (
        Turn("user", (a,)),
        Turn("user", (b,)),
        Turn("user", (c,), "ann"),
        Turn("assistant", (a,)),
    )
    assert merged(turns) == (
        Turn("user", (a, b)),
        Turn("user", (c,), "ann"),
        Turn("assistant", (a,)),
    )
