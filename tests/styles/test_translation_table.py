"""What the tables of docs/translation.md say of each pair of styles holds, and nothing of a request
goes without a word."""

from __future__ import annotations

import pytest

from translation_table import (
    ANSWERS,
    HOW,
    HOW_BACK,
    PAIRS,
    PROOF,
    REQUESTS,
    answers,
    as_sent,
    requests,
)

NAMED = [f"{client}-{upstream}" for client, upstream in PAIRS]


@pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=NAMED)
def test_nothing_of_a_request_is_lost_without_a_word(client, upstream):
    assert [name for name, cell in requests(client, upstream).items() if cell.state == "lost"] == []


@pytest.mark.parametrize(("client", "upstream"), PAIRS, ids=NAMED)
def test_what_every_style_has_is_carried_between_all(client, upstream):
    asked, answered = requests(client, upstream), answers(client, upstream)
    for name in ("instructions", "pictures", "calls of tools", "ids of calls", "tools"):
        assert asked[name].state == "carried", name
    for name in ("text", "thinking", "calls of tools", "ids of calls", "tokens", "ended: stop"):
        assert answered[name].state == "carried", name
    if PROOF in answered:
        assert answered[PROOF].state == "carried"


def test_what_is_said_of_a_place_is_true_of_it():
    """Each word about what stands in the place of something is that of a cell."""
    said = {
        (name, upstream)
        for client, upstream in PAIRS
        for name, cell in requests(client, upstream).items()
        if cell.state == "approximated"
    }
    assert said == set(HOW)
    back = {
        (name, client)
        for client, upstream in PAIRS
        for name, cell in answers(client, upstream).items()
        if cell.state == "approximated" and not name.startswith("ended")
    }
    assert back == set(HOW_BACK)


def test_everything_is_had_by_somebody():
    for name in REQUESTS:
        assert any(as_sent(name, client) for client, _ in PAIRS), name
    for name in ANSWERS:
        assert any(name in answers(client, upstream) for client, upstream in PAIRS), name
