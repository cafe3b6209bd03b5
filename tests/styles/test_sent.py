"""Requests in the shapes that clients really send, in every upstream's style.

A case is a folder of tests/fixtures/sent: `client.json`, a request in the client's style, and
`expected.json`: what it must come to in some styles. What no vendor takes is checked of every case
in every style."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from answers_wire import matches
from pairs_wire import ALL
from pilotfish import providers, styles
from pilotfish.core.formats.style import Quirks, Target

FOLDER = Path(__file__).parents[1] / "fixtures" / "sent"
CASES = sorted(path.parent for path in FOLDER.glob("*/*/expected.json"))
# Who is asked where a case does not say.
USUAL = {
    "openai": ("openai", "gpt-4o"),
    "openai_responses": ("openai", "gpt-4o"),
    "anthropic": ("anthropic", "claude-sonnet-4-5"),
    "google": ("google", "gemini-2.5-flash"),
    "bedrock": ("bedrock", "us.anthropic.claude-sonnet-4-5"),
}


def named(case: Path) -> str:
    return f"{case.parent.name}/{case.name}"


def quirks_of(provider: str, model: str) -> Quirks:
    kind = providers.get(provider)
    return (kind.model_quirks(model) if kind.model_quirks else None) or kind.quirks


def written(case: Path, style: str, provider: str, model: str) -> tuple[dict[str, Any], list[str]]:
    """The body of the request that the upstream gets, and what was dropped."""
    client = styles.get(case.parent.name)
    body = (case / "client.json").read_bytes()
    chat = client.read_request(body, model="asked-model", stream=False)
    target = Target(model=model, stream=False, quirks=quirks_of(provider, model))
    found = styles.get(style).write_request(chat, target)
    return json.loads(found.body), list(found.dropped)


def expectations() -> list[Any]:
    found = []
    for case in CASES:
        for wanted in json.loads((case / "expected.json").read_bytes())["to"]:
            provider = wanted.get("provider", "")
            name = f"{named(case)}-{wanted['style']}{'-' if provider else ''}{provider}"
            found.append(pytest.param(case, wanted, id=name))
    return found


@pytest.mark.parametrize(("case", "wanted"), expectations())
def test_a_request_says_the_same_in_another_style(case, wanted):
    provider, model = USUAL[wanted["style"]]
    asked = wanted.get("provider", provider), wanted.get("model", model)
    body, dropped = written(case, wanted["style"], *asked)
    assert matches(body, wanted["holds"]), body
    for text in wanted.get("never", []):
        assert text not in json.dumps(body)
    assert dropped == wanted.get("dropped", [])


def turns_of(style: str, body: dict[str, Any]) -> list[tuple[str, Any]]:
    """Who speaks, and what is said."""
    if style == "openai_responses":
        return [
            (item["role"], item["content"]) for item in body["input"] if item["type"] == "message"
        ]
    if style == "google":
        return [(turn["role"], turn["parts"]) for turn in body["contents"]]
    return [(turn["role"], turn.get("content")) for turn in body["messages"]]


def texts_in(value: Any) -> list[str]:
    """Every text below `text`, wherever it is."""
    if isinstance(value, list):
        return [text for item in value for text in texts_in(item)]
    if not isinstance(value, dict):
        return []
    own = [value["text"]] if isinstance(value.get("text"), str) else []
    return own + [text for item in value.values() for text in texts_in(item)]


@pytest.mark.parametrize("style", ALL)
@pytest.mark.parametrize("case", CASES, ids=named)
def test_nothing_goes_that_no_vendor_takes(case, style):
    body, _ = written(case, style, *USUAL[style])
    turns = turns_of(style, body)
    assert turns or body.get("instructions")
    roles = [role for role, _ in turns]
    if style in ("anthropic", "bedrock", "google"):
        neighbours = pairwise(roles)
        assert all(one != other for one, other in neighbours), roles
        assert roles[0] == "user"
    for role, said in turns:
        called = role == "assistant" and style == "openai" and said is None
        assert called or said, f"an empty turn of {role}"
        if style == "anthropic":
            assert all(text.strip() for text in texts_in(said))
    if style == "openai":
        pairs = pairwise(roles)
        assert ("assistant", "assistant") not in pairs
        calls = [call["id"] for turn in body["messages"] for call in turn.get("tool_calls") or ()]
        answers = [turn["tool_call_id"] for turn in body["messages"] if turn["role"] == "tool"]
        assert answers == calls
