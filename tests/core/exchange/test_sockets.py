"""Where WebSockets come in and go out, and the model in the events that name one."""

import json

import pytest

from conformance import compiled
from pilotfish.core.exchange.sockets import (
    LIVE,
    REALTIME,
    RESPONSES,
    SocketPath,
    model_of_event,
    plain_name,
    resource_of,
    socket_path,
    socket_target,
    with_model,
)

GOOGLE = "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent"
VERTEX = "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"


def provider_of(kind, **options):
    if kind == "azure":
        options["endpoint"] = "https://example.openai.azure.com"
    return compiled({"kind": kind, "token": {"env": "KEY"}, "options": options}, "m").provider


@pytest.mark.parametrize(
    "path",
    ["/", "/v1/realtime/x", "/v1/chat/completions", "/v2/realtime", "/ws/other", f"{GOOGLE}/x", "/realtime", "//v1/realtime"],
)  # fmt: skip
def test_nobody_takes_websockets_elsewhere(path):
    assert socket_path(path, "model=m") is None


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/v1/realtime", "model=m", SocketPath(REALTIME, "openai", "m", "")),
        ("/v1/realtime", "intent=transcription", SocketPath(REALTIME, "openai", None, "intent=transcription")),
        ("/openai/realtime", "api-version=1&deployment=d%2Fe&api-key=k", SocketPath(REALTIME, "openai", "d/e", "")),
        ("/openai/v1/realtime", "model=m&model=n", SocketPath(REALTIME, "openai", "m", "")),
        ("/v1/responses", "", SocketPath(RESPONSES, "openai_responses", None, "")),
        (GOOGLE, "key=k&alt=json", SocketPath(LIVE, "google", None, "alt=json")),
        (f"{GOOGLE}Constrained", "access_token=t", SocketPath(LIVE, "google", None, "")),
        (f"/{GOOGLE}", "key=k", SocketPath(LIVE, "google", None, "")),
        (VERTEX, "", SocketPath(LIVE, "google", None, "")),
        ("/voice/v1/realtime", "model=m", SocketPath(REALTIME, "openai", "m", "", "voice")),
        (f"/team{GOOGLE}", "", SocketPath(LIVE, "google", None, "", "team")),
    ],
)  # fmt: skip
def test_every_place_where_a_vendor_takes_them(path, query, expected):
    """Keys in the query stay here, and so does the version, which is the provider's to say."""
    assert socket_path(path, query) == expected


@pytest.mark.parametrize(
    "event", [b"", b"x", b"[]", b"1", b'{"model": 5}', b'{"setup": "x"}', b"[" * 5000]
)
@pytest.mark.parametrize("op", [REALTIME, RESPONSES, LIVE])
def test_an_event_that_names_no_model(op, event):  # fmt: skip
    assert model_of_event(op, event) is None
    assert with_model(op, event, "m", "n") == event


@pytest.mark.parametrize(
    ("op", "event", "model"),
    [
        (RESPONSES, {"type": "response.create", "model": "m", "input": "x"}, "m"),
        (REALTIME, {"session": {"model": "m"}}, "m"),
        (REALTIME, {"session": {"audio": {"input": {"transcription": {"model": "w"}}}}}, "w"),
        (REALTIME, {"session": {"input_audio_transcription": {"model": "w"}}}, "w"),
        (LIVE, {"setup": {"model": "models/gemini-x"}}, "gemini-x"),
        (LIVE, {"setup": {"model": "projects/p/locations/l/publishers/google/models/g"}}, "g"),
    ],
)
def test_the_model_is_found_and_renamed_where_it_stands(op, event, model):
    raw = json.dumps(event).encode()
    assert model_of_event(op, raw) == model
    assert with_model(op, raw, "another", "n") == raw
    renamed = with_model(op, raw, model, "n")
    named = event["setup"]["model"] if op == LIVE else model
    expected = json.dumps(event).replace(json.dumps(named), '"n"')
    assert json.loads(renamed) == json.loads(expected)


def test_a_publisher_that_is_not_googles_is_part_of_the_name():
    assert plain_name("projects/p/locations/l/publishers/acme/models/m") == "acme/m"
    assert plain_name("models/acme/m") == "acme/m"
    assert plain_name("m") == "m"


@pytest.mark.parametrize(
    ("kind", "more", "op", "query", "target"),
    [
        ("openai", {}, REALTIME, "voice=x", "/v1/realtime?model=a%2Fm&voice=x"),
        ("openai", {}, RESPONSES, "", "/v1/responses"),
        ("azure", {"api_version": "2025-04-01-preview"}, REALTIME, "", "/openai/realtime?deployment=a%2Fm&api-version=2025-04-01-preview"),
        ("azure", {"api_version": "v1"}, REALTIME, "", "/openai/v1/realtime?model=a%2Fm"),
        ("google", {}, LIVE, "", GOOGLE.replace("v1alpha", "v1beta")),
        ("vertex", {"project": "p", "location": "l"}, LIVE, "", VERTEX),
    ],
)  # fmt: skip
def test_where_a_session_goes_at_each_vendor(kind, more, op, query, target):
    provider = provider_of(kind, **more)
    assert socket_target(provider, op, "a/m" if op == REALTIME else "", query) == target


def test_a_session_whose_events_name_the_model_has_none_in_its_query():
    asked = socket_target(provider_of("openai"), REALTIME, "", "intent=transcription")
    assert asked == "/v1/realtime?intent=transcription"


def test_each_vendors_name_for_a_model():
    vertex = provider_of("vertex", project="p", location="l")
    assert resource_of(vertex, LIVE, "g") == "projects/p/locations/l/publishers/google/models/g"
    assert resource_of(provider_of("google"), LIVE, "models/g") == "models/g"
    assert resource_of(provider_of("openai"), RESPONSES, "m") == "m"
