"""Problems and exceptions."""

from __future__ import annotations

import pytest

from pilotfish.errors import ClientError, Problem, RuleError, StartError

WRONG = Problem("file:rules.yaml", "rules[0].weight", "expected at least 0, found -1")


def test_a_rule_error_names_every_problem() -> None:
    other = Problem("configmap:shop/rules", "", "not found")
    error = RuleError([WRONG, other])
    assert error.problems == [WRONG, other]
    assert repr(WRONG) in str(error)
    assert repr(other) in str(error)


def test_problems_are_equal_if_place_and_message_are() -> None:
    same = Problem("file:rules.yaml", "rules[0].weight", "expected at least 0, found -1")
    assert {WRONG, same} == {WRONG}
    assert Problem("file:rules.yaml", "rules[1].weight", same.message) != WRONG
    assert repr(WRONG) != WRONG


def test_a_problem_as_status_shows_it() -> None:
    assert WRONG.as_dict() == {
        "source": "file:rules.yaml",
        "path": "rules[0].weight",
        "message": "expected at least 0, found -1",
    }


def test_a_client_error_carries_what_its_answer_needs() -> None:
    with pytest.raises(ClientError, match="no such model") as caught:
        raise ClientError(404, "model_not_found", "no such model")
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")


def test_the_families_do_not_catch_each_other() -> None:
    families = (RuleError, ClientError, StartError)
    assert not any(issubclass(a, b) for a in families for b in families if a is not b)
