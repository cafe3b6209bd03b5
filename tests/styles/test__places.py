"""Fields go back to where they stood, whatever they are called."""

from __future__ import annotations

import pytest

from pilotfish.styles._places import placed, put_back

PARENTS = ("a.b", "a")


@pytest.mark.parametrize("name", ["x", "", "x.y", "."])
@pytest.mark.parametrize(("parent", "expected"), [("a", ["a"]), ("a.b", ["a", "b"])])
def test_a_field_of_any_name_comes_back_to_its_place(name, parent, expected):
    body: dict = {}
    for place, value in placed(parent, {name: 1}).items():
        put_back(body, place, value, PARENTS)
    for step in expected:
        body = body[step]
    assert body == {name: 1}


def test_dots_of_other_names_divide_nothing():
    body: dict = {}
    put_back(body, "x.y", 1, PARENTS)
    assert body == {"x.y": 1}


def test_what_stands_there_stays():
    body = {"a": {"x": 1}}
    put_back(body, "a.x", 2, PARENTS)
    assert body == {"a": {"x": 1}}
