"""Which paths clients may call: all documented ones, with and without a scenario, and no others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotfish.core.exchange.endpoints import (
    Endpoint,
    find,
    meant,
    models_path,
    scenario_of_style,
    style_of_path,
)

VERTEX = "/v1beta1/projects/p/locations/l/publishers"
PATHS: dict[str, Endpoint] = {
    "/v1/chat/completions": Endpoint("chat", "openai"),
    "/v1/responses": Endpoint("responses", "openai_responses"),
    "/v1/completions": Endpoint("completions", "openai"),
    "/v1/embeddings": Endpoint("embeddings", "openai"),
    "/v1/moderations": Endpoint("moderations", "openai"),
    "/v1/images/generations": Endpoint("images", "openai", subpath="generations"),
    "/v1/images/edits": Endpoint("images", "openai", subpath="edits"),
    "/v1/audio/transcriptions": Endpoint("audio", "openai", subpath="transcriptions"),
    "/v1/audio/speech": Endpoint("audio", "openai", subpath="speech"),
    "/v1/rerank": Endpoint("rerank", "openai"),
    "/v1/messages": Endpoint("messages", "anthropic"),
    "/v1/messages/count_tokens": Endpoint("count_tokens", "anthropic"),
    "/v1beta/models/gemini-2.5-pro:generateContent": Endpoint(
        "generate", "google", None, "gemini-2.5-pro", False
    ),
    "/v1beta/models/gemini-2.5-pro:streamGenerateContent": Endpoint(
        "generate", "google", None, "gemini-2.5-pro", True
    ),
    "/v1beta/models/gemini-2.5-pro:countTokens": Endpoint(
        "google_count_tokens", "google", None, "gemini-2.5-pro", False
    ),
    "/v1beta/models/embedding-001:embedContent": Endpoint(
        "google_embeddings", "google", None, "embedding-001", False
    ),
    "/v1beta/models/embedding-001:batchEmbedContents": Endpoint(
        "google_batch_embeddings", "google", None, "embedding-001", False
    ),
    "/v1beta/models/anthropic.claude-v2:1:generateContent": Endpoint(
        "generate", "google", None, "anthropic.claude-v2:1", False
    ),
    "/model/anthropic.claude-v1%3A0/invoke": Endpoint(
        "invoke", "bedrock", None, "anthropic.claude-v1:0", False, by_cloud=True
    ),
    "/model/titan/invoke-with-response-stream": Endpoint(
        "invoke", "bedrock", None, "titan", True, by_cloud=True
    ),
    f"{VERTEX}/google/models/gemini-2.5-pro:streamGenerateContent": Endpoint(
        "generate", "google", None, "gemini-2.5-pro", True
    ),
    f"{VERTEX}/acme/models/m:generateContent": Endpoint(
        "generate", "google", None, "acme/m", False
    ),
    f"{VERTEX}/anthropic/models/claude@1:streamRawPredict": Endpoint(
        "messages", "anthropic", None, "claude@1", True, by_cloud=True
    ),
    f"{VERTEX}/anthropic/models/claude@1:rawPredict": Endpoint(
        "messages", "anthropic", None, "claude@1", None, by_cloud=True
    ),
    f"{VERTEX}/anthropic/models/count-tokens:rawPredict": Endpoint(
        "count_tokens", "anthropic", by_cloud=True
    ),
    f"{VERTEX}/mistralai/models/m:rawPredict": Endpoint(
        "raw_predict", "google", None, "m", False, "mistralai"
    ),
    f"{VERTEX}/google/models/imagen:predict": Endpoint(
        "predict", "google", None, "imagen", False, "google"
    ),
    f"{VERTEX.replace('publishers', 'endpoints')}/openapi/chat/completions": Endpoint(
        "chat", "openai"
    ),
    "/openai/responses": Endpoint("responses", "openai_responses"),
    "/v1/publishers/google/models/gemini-2.5-pro:generateContent": Endpoint(
        "generate", "google", None, "gemini-2.5-pro", False
    ),
    "/model/anthropic.claude-v2%3A1/converse": Endpoint(
        "converse", "bedrock", None, "anthropic.claude-v2:1", False
    ),
    "/model/amazon.nova-pro-v1:0/converse-stream": Endpoint(
        "converse", "bedrock", None, "amazon.nova-pro-v1:0", True
    ),
    "/openai/deployments/my-gpt/chat/completions": Endpoint("chat", "openai", None, "my-gpt"),
    "/openai/deployments/my%20gpt/embeddings": Endpoint("embeddings", "openai", None, "my gpt"),
    "/openai/v1/chat/completions": Endpoint("chat", "openai"),
    "/openai/v1/responses": Endpoint("responses", "openai_responses"),
}
SCENARIOS = ["openai", "anthropic", "claude_code", "opencode", "google", "my-own.team_2"]


@pytest.mark.parametrize(("path", "endpoint"), PATHS.items())
def test_every_documented_path_is_known(path: str, endpoint: Endpoint) -> None:
    assert find(path) == endpoint


@pytest.mark.parametrize(("path", "endpoint"), PATHS.items())
def test_every_path_may_stand_below_a_scenario(path: str, endpoint: Endpoint) -> None:
    op, style, model, stream = endpoint.op, endpoint.style, endpoint.model, endpoint.stream
    expected = {
        scenario: Endpoint(op, style, scenario, model, stream, endpoint.subpath, endpoint.by_cloud)
        for scenario in SCENARIOS
    }
    if path.startswith("/v1/") and style.startswith(("openai", "anthropic")):
        # The Azure form of the same endpoint; its scenario follows from the style.
        expected["openai"] = endpoint
    assert {scenario: find(f"/{scenario}{path}") for scenario in SCENARIOS} == expected


@pytest.mark.parametrize(
    "path",
    [
        "", "/", "*", "/v1", "/v1/", "/v2/chat/completions", "/v1/chat", "/v1/chat/completions/", "/v1/chat/completions/x", "/v1/Messages",
        "/v1/images", "/v1/images/", "/v1/audio/", "/v1/files", "/v1/assistants", "/v1/messages/batches", "/v1beta/chat/completions",
        "/v1beta/models/gemini-pro", "/v1beta/models/gemini-pro:predict", "/v1beta/models/:generateContent", "/model/x", "/model//converse", "/model/a/b/converse",
        "/openai/deployments/x", "/openai/deployments//chat/completions", "/openai/deployments/x/messages", "/chat/completions",
        "/a/b/v1/messages", "//v1/messages", "/1st/v1/messages", "/v1/v1/messages", "/v1beta/v1/messages", "/model/v1/messages",
        "/claude code/v1/messages", "/claude_code/v1/messages\n", "/v1/messages?x=1", "/v1/messages#x",
    ],
)  # fmt: skip
def test_anything_else_is_no_surface(path: str) -> None:
    assert find(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/../v1/messages", "/v1/../v1/messages", "/v1/images/../../admin", "/v1/audio/..", "/x/../v1/messages", "/./v1/messages",
        "/model/../converse", "/model/./converse", "/model/%2e%2e/converse", "/model/%2E/converse-stream",
        "/v1beta/models/..:generateContent", "/v1beta/models/%2e%2e:generateContent", "/openai/deployments/../chat/completions",
        "/claude_code/model/../converse", "/model/../invoke",
        "/v1/projects/p/locations/l/publishers/../models/m:rawPredict",
        "/v1/projects/p/locations/l/publishers/anthropic/models/..:rawPredict",
        "/openai/deployments/x/images/../../y",
    ],
)  # fmt: skip
def test_nobody_climbs_out_of_a_path(path: str) -> None:
    assert find(path) is None


@pytest.mark.parametrize(
    ("path", "probably"),
    [
        ("/chat/completions", "/v1/chat/completions"),
        ("/v1/v1/chat/completions", "/v1/chat/completions"),
        ("/v1/v1beta/models/gemini:generateContent", "/v1beta/models/gemini:generateContent"),
        ("/v1/chat/completions/", "/v1/chat/completions"),
        ("//v1//messages", "/v1/messages"),
        ("/v1/chat/completion", "/v1/chat/completions"),
        ("/V1/Messages", "/v1/messages"),
        ("/api/v1/chat/completions/", "/api/v1/chat/completions"),
        ("/claude_code/responses", "/claude_code/v1/responses"),
        ("/models/gemini:generateContent", "/v1/models/gemini:generateContent"),
        ("/a/b/v1/embeddings", "/v1/embeddings"),
        ("/models", "/v1/models"),
    ],
)
def test_a_path_that_is_nearly_one_leads_to_it(path: str, probably: str) -> None:
    assert find(path) is None
    assert meant(path) == probably


@pytest.mark.parametrize(
    "path", ["/", "", "/healthz", "/v1/nothing", "/v1/messages/nothing", "/v1/" + "a/" * 500]
)
def test_what_resembles_no_path_leads_to_none(path: str) -> None:
    assert meant(path) == ""


def test_google_clients_may_address_provider_and_model_too() -> None:
    found = find("/v1beta/models/claude/claude-sonnet-4-5:streamGenerateContent")
    assert found == Endpoint("generate", "google", None, "claude/claude-sonnet-4-5", True)


def test_a_slash_inside_a_models_name_stays_in_the_name() -> None:
    """What goes upstream is encoded again, so it cannot become a path there."""
    found = find("/model/arn:aws:bedrock:eu-central-1:1:inference-profile%2F..%2Fnova/converse")
    assert found is not None
    assert found.model == "arn:aws:bedrock:eu-central-1:1:inference-profile/../nova"


@given(
    st.text(max_size=40)
    | st.lists(
        st.sampled_from(
            ["/", "v1", "..", "model", "models", ":", "converse", "%2f", "openai", "x"]
        ),
        max_size=8,
    ).map("".join)
)
def test_no_path_is_too_odd_to_be_answered(path: str) -> None:
    for odd in (path, f"/v1/{path}", f"/x{path}"):
        found = find(odd)
        assert found is None or found.model not in ("", ".", "..")
        assert isinstance(style_of_path(odd), str)
        models_path(odd)
        guess = meant(odd)
        assert not guess or find(guess) or models_path(guess)


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/v1/models", ("v1", None)),
        ("/v1/models/gpt-4o", ("v1", "gpt-4o")),
        ("/v1/models/meta%2Fllama", ("v1", "meta/llama")),
        ("/v1beta/models", ("v1beta", None)),
        ("/v1beta/models/gemini-pro", ("v1beta", "gemini-pro")),
        ("/claude_code/v1/models", ("v1", None)),
        ("/openai/v1/models/x", ("v1", "x")),
        ("/v1/models/", None),
        ("/v2/models", None),
        ("/models", None),
        ("/a/b/v1/models", None),
    ],
)
def test_models_are_listed_where_clients_look_for_them(
    path: str, asked: tuple[str, str | None] | None
) -> None:
    assert models_path(path) == asked


@pytest.mark.parametrize(
    ("path", "style"),
    [
        ("/v1/nothing", "openai"),
        ("/x/v1/messages/batches", "anthropic"),
        ("/v1beta/nothing", "google"),
        ("/model/x/invoke", "bedrock"),
    ],
)
def test_an_unknown_path_is_told_so_in_the_form_its_caller_expects(path: str, style: str) -> None:
    assert style_of_path(path) == style


def test_without_a_prefix_the_scenario_follows_from_the_style() -> None:
    assert [
        scenario_of_style(s) for s in ("openai", "openai_responses", "anthropic", "google")
    ] == [
        "openai",
        "openai",
        "anthropic",
        "google",
    ]


def test_azures_client_for_node_may_ask_below_another_base() -> None:
    found = Endpoint("chat", "openai", None, "gpt-4o")
    assert find("/v1/deployments/gpt-4o/chat/completions") == found


def test_the_ai_sdk_takes_the_version_for_a_part_of_anthropics_base() -> None:
    assert find("/messages") == find("/v1/messages")
    assert find("/claude_code/messages") == find("/claude_code/v1/messages")
    assert find("/messages/batches") is None
