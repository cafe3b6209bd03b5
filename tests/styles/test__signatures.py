"""Signatures of one vendor in the hands of another's client."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.formats.neutral import Audio, Image, Signature, Text, Thinking, ToolCall
from pilotfish.styles._signatures import (
    seal,
    seal_thinking,
    unseal,
    unseal_thinking,
    with_signatures_placed,
)

GEMINIS = Signature("google", "c2ln")


def test_a_bare_signature_belongs_to_the_style_that_reads_it():
    assert unseal("EqQB", "anthropic") == Signature("anthropic", "EqQB")


def test_a_style_sees_its_own_bare():
    assert seal(Signature("anthropic", "EqQB", "x"), "anthropic") == "EqQB"


@given(st.text(), st.text(st.characters(exclude_characters=":")))
def test_a_foreign_one_comes_back_whole(value, identity):
    signature = Signature("google", value, identity)
    assert unseal(seal(signature, "anthropic"), "anthropic") == signature


def test_geminis_signature_is_put_on_the_part_after_it():
    call, text = ToolCall(id="a", name="f"), Text("so")
    mark = Thinking(signature=GEMINIS)
    sound, picture = Audio(data="AA"), Image(data="AA")
    given = [mark, call, text, mark, sound, text, mark, picture, text]
    assert with_signatures_placed(given) == (
        ToolCall(id="a", name="f", signature=GEMINIS),
        text,
        sound,
        Text("so", signature=GEMINIS),
        Image(data="AA", signature=GEMINIS),
        text,
    )


def test_a_signature_with_a_calls_id_is_put_on_that_call_wherever_it_stands():
    calls = (ToolCall(id="a", name="f"), ToolCall(id="b", name="f"))
    mark = Thinking(signature=Signature("google", "c2ln", "b"))
    found = with_signatures_placed([*calls, mark])
    assert found == (calls[0], ToolCall(id="b", name="f", signature=mark.signature))


def test_a_signature_at_the_end_is_that_of_a_text_without_words():
    assert with_signatures_placed([Text("so"), Thinking(signature=GEMINIS)]) == (
        Text("so"),
        Text("", signature=GEMINIS),
    )


def test_thinking_without_signature_has_a_mark_that_means_none():
    assert unseal_thinking(seal_thinking(None, "anthropic"), "anthropic") is None
    assert unseal_thinking("", "anthropic") is None
    signed = Signature("anthropic", "EqQB")
    assert unseal_thinking(seal_thinking(signed, "google"), "google") == signed


def test_thinking_with_words_and_other_vendors_proofs_stay_where_they_are():
    parts = (
        Thinking(text="hm", signature=GEMINIS),
        Thinking(signature=Signature("anthropic", "EqQB"), redacted=True),
        Text("so"),
    )
    assert with_signatures_placed(parts) == parts
