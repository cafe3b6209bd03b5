"""The connection test: which stage was reached, for each thing that can be wrong."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from pilotfish import providers
from pilotfish.core.model.outcome import Outcome
from pilotfish.core.model.service import Provider, SecretRef
from pilotfish.credentials import CredentialContext, Credentials
from pilotfish.proxy.connection_test import (
    AUTHENTICATION,
    CONNECTIVITY,
    MAX_MESSAGE,
    PROVIDER,
    UNSUPPORTED,
    probe,
    probe_url,
)
from planted import planted

KEY = SecretRef("literal", value="hush")


class Vendor:
    """Answers everything with what it is told; keeps what it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, b'{"data": []}', {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.sent: list[object] = []
        self.url = ""
        self.decide = lambda headers: self.status

    async def handle(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.path_qs, headers))
        self.sent.append(await request.json() if request.method == "POST" else None)
        return web.Response(status=self.decide(headers), body=self.body, headers=self.headers)


@pytest.fixture
async def vendor():
    made = Vendor()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
    yield made
    await runner.cleanup()


def provider_of(kind: str, base: str, **more: object) -> Provider:
    record = providers.get(kind)
    more.setdefault("tokens", (KEY,))
    return Provider(
        name="p", kind=record, base=base, style=record.style, paths=record.paths, **more
    )  # type: ignore[arg-type]


async def probed(provider: Provider, environ: dict[str, str] | None = None, chat: str = ""):
    context = CredentialContext(environ=environ or {})
    credentials = Credentials(provider, context)
    result = await probe(provider, credentials.keys, context.fetcher, 5.0, chat)
    await credentials.close()
    await context.fetcher.close()
    assert "hush" not in json.dumps(result.as_dict())
    return result


async def test_nobody_there():
    result = await probed(provider_of("openai", "http://127.0.0.1:9/v1"))
    assert (result.ok, result.stage, result.status, result.outcome) == (
        False,
        CONNECTIVITY,
        None,
        Outcome.CONNECT_FAILED,
    )


async def test_silence(vendor):
    provider = provider_of("openai", vendor.url)
    context = CredentialContext()
    keys = Credentials(provider, context).keys
    result = await probe(provider, keys, context.fetcher, timeout_s=0.0)
    await context.fetcher.close()
    assert (result.ok, result.stage, result.outcome) == (False, CONNECTIVITY, Outcome.TIMEOUT)


@pytest.mark.parametrize(
    ("kind", "status", "body", "ok", "stage"),
    [
        ("openai", 200, {"data": []}, True, AUTHENTICATION),
        ("openai", 204, {}, True, AUTHENTICATION),
        (
            "openai",
            401,
            {"error": {"message": "Incorrect API key provided: hush", "code": "invalid_api_key"}},
            False,
            AUTHENTICATION,
        ),
        ("openai", 403, {}, False, PROVIDER),
        ("openai", 403, {"error": {"message": "this key was revoked"}}, False, AUTHENTICATION),
        ("openai", 403, {"error": {"message": "Missing scopes: model.read"}}, True, AUTHENTICATION),
        (
            "openai",
            401,
            {"error": {"message": "You have insufficient permissions. Missing scopes: model.read"}},
            True,
            AUTHENTICATION,
        ),
        ("openai", 429, {"error": {"message": "slow down"}}, True, AUTHENTICATION),
        ("openai", 500, {"error": {"message": "oops"}}, False, PROVIDER),
        ("openai", 404, {}, False, PROVIDER),
        ("openai", 302, {}, False, PROVIDER),
        (
            "anthropic",
            401,
            {
                "type": "error",
                "error": {"type": "authentication_error", "message": "invalid x-api-key"},
            },
            False,
            AUTHENTICATION,
        ),
        (
            "google",
            400,
            {"error": {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT"}},
            False,
            AUTHENTICATION,
        ),
        (
            "bedrock",
            400,
            {"__type": "UnrecognizedClientException", "message": "the token is invalid"},
            False,
            AUTHENTICATION,
        ),
        ("xai", 400, {"error": "Incorrect API key provided: hu***"}, False, AUTHENTICATION),
    ],
)
async def test_each_status_has_its_stage(vendor, kind, status, body, ok, stage):
    vendor.status, vendor.body = status, json.dumps(body).encode()
    result = await probed(provider_of(kind, vendor.url))
    assert (result.ok, result.stage, result.status) == (ok, stage, status)
    assert result.latency_ms >= 0


@pytest.mark.parametrize(
    "own", [{}, {"tokens": (), "headers": (("Authorization", f"Bearer {planted()}"),)}]
)
@pytest.mark.parametrize("status", [400, 404, 500])
async def test_a_key_that_the_vendor_quotes_is_not_told(vendor, status, own):
    """Whatever it refuses: nothing says that it refused the key. It may also stand in a header of
    the rules.
    """
    vendor.status, vendor.body = (
        status,
        json.dumps({"error": {"message": f"{planted()} may not list models"}}).encode(),
    )
    result = await probed(
        provider_of(
            "openai", vendor.url, **{"tokens": (SecretRef("literal", value=planted()),), **own}
        )
    )
    assert (result.stage, result.message) == (
        PROVIDER,
        f"unexpected status {status}: [key] may not list models",
    )


@pytest.mark.parametrize(
    "said",
    [
        "first\r\nsecond \x1b[31mred\x07",
        "first\n\n\tsecond\x00" + "x" * 5000,
        "first\u2028\u202e second",
    ],
)
async def test_what_the_vendor_says_is_one_line_that_a_terminal_can_show(vendor, said):
    vendor.status, vendor.body = 500, json.dumps({"error": {"message": said}}).encode()
    message = (await probed(provider_of("openai", vendor.url))).message
    assert message.startswith("unexpected status 500: first")
    assert message.isprintable()
    assert len(message) <= 300


async def test_a_rate_limit_proves_the_key_and_tells_when_to_come_back(vendor):
    vendor.status, vendor.headers = 429, {"retry-after": "7"}
    result = await probed(provider_of("openai", vendor.url))
    assert (result.ok, result.outcome, result.wait_s) == (True, Outcome.RATE_LIMITED, 7.0)
    assert "key works" in result.message


async def test_no_key_is_told_without_a_call(vendor):
    result = await probed(provider_of("openai", vendor.url, tokens=()))
    assert (result.ok, result.stage, result.message) == (
        False,
        AUTHENTICATION,
        "no key is configured",
    )
    result = await probed(provider_of("openai", vendor.url, tokens=(SecretRef("env", "NOPE"),)))
    assert (result.ok, result.stage, result.message) == (
        False,
        AUTHENTICATION,
        "environment variable NOPE is missing or empty",
    )
    assert vendor.asked == []


@pytest.mark.parametrize(
    "more",
    [
        {"kind": "ollama", "tokens": ()},
        {"kind": "openai_compatible", "tokens": (), "no_key_required": True},
        {"kind": "openai_compatible", "tokens": (), "headers": (("Authorization", "Basic x"),)},
    ],
)
async def test_a_server_that_needs_no_key_of_ours_is_asked_without_one(vendor, more):
    """The gateway seed wanted an API key even where headers carried the authentication."""
    result = await probed(provider_of(more.pop("kind"), vendor.url, **more))
    assert result.ok


async def test_a_vendor_without_a_free_call_is_at_least_reached(vendor):
    vendor.status = 404
    result = await probed(provider_of("perplexity", vendor.url))
    assert (result.ok, result.stage, result.outcome) == (True, UNSUPPORTED, None)
    result = await probed(provider_of("perplexity", "http://127.0.0.1:9"))
    assert (result.ok, result.stage) == (False, CONNECTIVITY)


async def test_several_keys_are_well_if_all_are(vendor):
    both = provider_of("openai", vendor.url, tokens=(KEY, SecretRef("env", "SECOND")))
    result = await probed(both, {"SECOND": "hush2"})
    assert (result.ok, result.message) == (True, "ok: it lists models (all 2 keys)")
    assert [key["ok"] for key in result.as_dict()["keys"]] == [True, True]
    result = await probed(both)
    assert (result.ok, result.message) == (
        False,
        "1 of 2 keys failed; a literal key: ok: it lists models; "
        "environment variable SECOND is missing or empty",
    )
    vendor.decide = lambda headers: 401 if headers["authorization"] == "Bearer hush2" else 200
    result = await probed(both, {"SECOND": "hush2"})
    assert (result.ok, result.message) == (
        False,
        "1 of 2 keys failed; a literal key: ok: it lists models; "
        "environment variable SECOND: the key was refused",
    )
    assert [(k["key"], k["ok"], k["status"]) for k in result.as_dict()["keys"]] == [
        ("a literal key", True, 200),
        ("environment variable SECOND", False, 401),
    ]


async def test_a_key_rotated_since_is_tried_at_once(vendor, tmp_path):
    file = tmp_path / "key"
    file.write_text("hush-old")
    provider = provider_of("openai", vendor.url, tokens=(SecretRef("file", str(file)),))

    def rotating(headers: dict[str, str]) -> int:
        file.write_text("hush-newer")
        return 200 if headers["authorization"] == "Bearer hush-newer" else 401

    vendor.decide = rotating
    assert (await probed(provider)).ok
    assert len(vendor.asked) == 2


async def test_a_long_answer_of_the_vendors_is_cut(vendor):
    vendor.status, vendor.body = 500, json.dumps({"error": {"message": "x" * 5000}}).encode()
    result = await probed(provider_of("openai", vendor.url))
    assert len(result.message) == MAX_MESSAGE


async def test_the_key_goes_where_the_vendor_wants_it(vendor):
    await probed(provider_of("anthropic", f"{vendor.url}/v1"))
    path, headers = vendor.asked[0]
    assert (path, headers["x-api-key"], headers["anthropic-version"]) == (
        "/v1/models",
        "hush",
        "2023-06-01",
    )


async def test_copilots_probe_goes_to_the_host_that_the_exchange_names(vendor):
    vendor.body = json.dumps(
        {"token": "hush-t", "endpoints": {"api": vendor.url}, "data": []}
    ).encode()
    base = providers.get("github_copilot").base_url
    result = await probed(
        provider_of("github_copilot", base, options={"token_url": f"{vendor.url}/exchange"})
    )
    assert result.ok
    assert {path for path, _ in vendor.asked} == {"/exchange", "/models"}


@pytest.mark.parametrize(
    ("kind", "base", "options", "url"),
    [
        ("openai", "https://api.openai.com/v1", {}, "https://api.openai.com/v1/models"),
        ("openrouter", "https://openrouter.ai/api/v1", {}, "https://openrouter.ai/api/v1/key"),
        (
            "azure",
            "https://n.openai.azure.com",
            {"api_version": "2024-10-21"},
            "https://n.openai.azure.com/openai/models?api-version=2024-10-21",
        ),
        (
            "azure",
            "https://n.openai.azure.com",
            {"api_version": "v1"},
            "https://n.openai.azure.com/openai/v1/models",
        ),
        (
            "bedrock",
            "https://bedrock-runtime.eu-west-1.amazonaws.com",
            {},
            "https://bedrock.eu-west-1.amazonaws.com/foundation-models",
        ),
        ("bedrock", "http://gateway:80/x", {}, "http://gateway:80/x/foundation-models"),
        (
            "vertex",
            "https://us-east5-aiplatform.googleapis.com/v1",
            {},
            "https://us-east5-aiplatform.googleapis.com/v1beta1/publishers/google/models?pageSize=1",
        ),
        ("perplexity", "https://api.perplexity.ai", {}, "https://api.perplexity.ai"),
    ],
)
def test_where_the_probe_goes(kind, base, options, url):
    provider = provider_of(kind, base, options=options)
    assert probe_url(provider, Credentials(provider, CredentialContext()).keys[0]) == url


# ---- with one token of a model


@pytest.mark.parametrize(
    ("kind", "more", "path", "limit"),
    [
        ("openai", {}, "/chat/completions", ("max_completion_tokens",)),
        ("anthropic", {}, "/messages", ("max_tokens",)),
        (
            "google",
            {},
            "/models/m:generateContent",
            ("generationConfig", "maxOutputTokens"),
        ),
        ("perplexity", {}, "/chat/completions", ("max_tokens",)),
    ],
)
async def test_a_model_is_asked_for_one_token_as_its_vendor_wants_it(
    vendor, kind, more, path, limit
):
    result = await probed(provider_of(kind, vendor.url, **more), chat="m")
    assert (result.ok, result.stage, result.message) == (True, AUTHENTICATION, "ok: m answered")
    assert result.outcome is Outcome.SERVED
    assert vendor.asked[0][0] == path
    body = vendor.sent[0]
    for name in limit:
        body = body[name]
    assert body == 1


@pytest.mark.parametrize(
    ("status", "message", "ok", "stage", "outcome"),
    [
        (401, "Incorrect API key", False, AUTHENTICATION, Outcome.AUTH_FAILED),
        (404, "The model does not exist", False, PROVIDER, Outcome.NOT_FOUND),
        (403, "no access to model m", False, PROVIDER, Outcome.NOT_FOUND),
        (429, "slow down", True, AUTHENTICATION, Outcome.RATE_LIMITED),
        (503, "overloaded", False, PROVIDER, Outcome.OVERLOADED),
        (400, "max_tokens or model output limit was reached", True, AUTHENTICATION, Outcome.SERVED),
        (400, "bad", False, PROVIDER, Outcome.BAD_REQUEST),
    ],
)
async def test_what_a_model_answers_is_what_counts(vendor, status, message, ok, stage, outcome):
    vendor.status, vendor.body = status, json.dumps({"error": {"message": message}}).encode()
    result = await probed(provider_of("openai", vendor.url), chat="m")
    assert (result.ok, result.stage, result.outcome) == (ok, stage, outcome)


async def test_a_key_that_may_chat_and_not_list_is_well_by_its_chat(vendor):
    denied = json.dumps({"error": {"message": "Missing scopes: api.model.read"}}).encode()

    def decide(headers: dict[str, str]) -> int:
        vendor.body = b"{}" if "content-type" in headers else denied
        return 200 if "content-type" in headers else 401

    vendor.decide = decide
    listed = await probed(provider_of("openai", vendor.url))
    assert (listed.ok, listed.outcome) == (True, None)
    assert "may not list models" in listed.message
    assert (await probed(provider_of("openai", vendor.url), chat="m")).message == "ok: m answered"


@pytest.mark.parametrize("kind", ["vertex", "bedrock", "azure", "github_copilot"])
def test_platforms_say_what_was_tested(kind):
    assert "model" in providers.get(kind).tested
    assert providers.get(kind).tested != providers.get("openai").tested
