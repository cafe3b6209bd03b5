"""What is wrong with a request is said with its place."""

from __future__ import annotations

import pytest

from pilotfish.errors import ClientError
from pilotfish.styles._fields import Fields, Losses, ReplyFields


@pytest.mark.parametrize(
    ("take", "message"),
    [
        (lambda f: f.text("number"), "number: expected a string, found 7"),
        (lambda f: f.required_text("none"), "none: expected a string, found nothing"),
        (lambda f: f.number("text"), 'text: expected a number, found "x"'),
        (lambda f: f.number("flag"), "flag: expected a number, found true"),
        (lambda f: f.whole("half"), "half: expected a whole number, found 0.5"),
        (lambda f: f.flag("number"), "number: expected true or false, found 7"),
        (lambda f: f.object("text"), 'text: expected an object, found "x"'),
        (lambda f: f.mapping("text"), 'text: expected an object, found "x"'),
        (lambda f: f.items("text"), 'text: expected a list, found "x"'),
        (lambda f: f.texts("list"), "list[0]: expected a string, found {}"),
        (
            lambda f: next(f.objects("list")).required_text("deep"),
            "list[0].deep: expected a string, found nothing",
        ),
        (
            lambda f: f.inner("none").required_text("deep"),
            "none.deep: expected a string, found nothing",
        ),
        (
            lambda f: f.text("long"),
            "long: expected a string, found [" + '"aaaaaaaa",' * 5 + '"aaa...',
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_place_and_what_was_expected(take, message):
    values = {
        "number": 7,
        "text": "x",
        "flag": True,
        "half": 0.5,
        "list": [{}],
        "none": None,
        "long": ["a" * 8] * 20,
    }
    with pytest.raises(ClientError) as caught:
        take(Fields(values))
    assert caught.value.status == 400
    assert caught.value.message == message


@pytest.mark.parametrize("body", [b"", b"[]", b"7", b"{", b"\xff"])
def test_a_body_must_be_an_object(body):
    with pytest.raises(ClientError, match="body: expected"):
        Fields.of(body)


def test_an_upstreams_faults_are_not_the_clients():
    with pytest.raises(ValueError, match=r"choices\[0\].message: expected an object"):
        next(ReplyFields({"choices": [{"message": 7}]}).objects("choices")).object("message")


def test_what_nobody_took_is_left_and_null_counts_as_absent():
    fields = Fields({"a": 1, "b": None, "c": 2})
    assert fields.whole("a") == 1
    assert "b" not in fields
    assert fields.rest() == {"c": 2}


def test_a_number_without_a_fraction_is_whole():
    assert Fields({"n": 3.0}).whole("n") == 3


def test_losses_are_named_once_in_the_order_met():
    losses = Losses(("first",))
    losses.add("b")
    losses.add("a")
    losses.add("b")
    losses.add_if("unset", None)
    losses.add_if("zero", 0)
    assert losses.names() == ("first", "b", "a", "zero")


def test_one_string_stands_for_a_list_of_one():
    assert Fields({"stop": "a"}).texts("stop") == ("a",)
