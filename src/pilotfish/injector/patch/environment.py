"""The variables that lead an application's SDKs to the proxy, set only where the application has
not set them itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# SDKs refuse to start without a key. This one is never sent upstream: the proxy puts the provider's
# own in its place.
PLACEHOLDER_KEY = "pilotfish-placeholder"
LOOPBACK = "127.0.0.1,localhost"


# What shows that a container comes to its AWS credentials in another way. Access keys in the
# environment come before all of them, so one of ours would take the application's S3 from it.
AWS_IDENTITY = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_SESSION_TOKEN",
)
AWS_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
AWS_BEARER = "AWS_BEARER_TOKEN_BEDROCK"
AWS_ENDPOINT = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
ANTHROPIC_AWS, LITELLM_AWS = "ANTHROPIC_BEDROCK_BASE_URL", "AWS_BEDROCK_RUNTIME_ENDPOINT"
# Whoever sets one of them leads a client with AWS's keys elsewhere.
OTHERS_FOR_AWS = (ANTHROPIC_AWS, LITELLM_AWS)


@dataclass(frozen=True, slots=True)
class Client:
    """An SDK family: where it looks for its base URL, and for its keys. With any of `keyed_by` set
    it needs no placeholder. With any of `elsewhere` set it cannot be led here.
    """

    base_urls: tuple[str, ...]
    path: str
    keys: tuple[str, ...]
    keyed_by: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


CLIENTS = (
    Client(("OPENAI_BASE_URL", "OPENAI_API_BASE"), "/v1", ("OPENAI_API_KEY",)),
    Client(("ANTHROPIC_BASE_URL",), "", ("ANTHROPIC_API_KEY",), ("ANTHROPIC_AUTH_TOKEN",)),
    # GOOGLE_API_KEY is left alone: it also opens maps, search and the like.
    Client(("GOOGLE_GEMINI_BASE_URL",), "", ("GEMINI_API_KEY",), ("GOOGLE_API_KEY",)),
    # Access keys and no bearer token: AWS's SDKs send a bearer token over https only, and sign with
    # any keys over http.
    Client((AWS_ENDPOINT,), "", AWS_KEYS, (*AWS_IDENTITY, *OTHERS_FOR_AWS), (AWS_BEARER,)),
    # Anthropic's client for Bedrock does not read AWS's variable, but has AWS's keys.
    Client((ANTHROPIC_AWS,), "", ()),
    # LiteLLM's names for these two.
    Client(("GEMINI_API_BASE",), "/v1beta", ()),
    Client((LITELLM_AWS,), "", ()),
    # No placeholders for Vertex AI: who uses it has Google's credentials, and for more than LLMs.
    Client(("ANTHROPIC_VERTEX_BASE_URL",), "/v1", ()),
    Client(("GOOGLE_VERTEX_BASE_URL",), "", ()),
    Client(("AZURE_OPENAI_ENDPOINT",), "", ("AZURE_OPENAI_API_KEY",), ("AZURE_OPENAI_AD_TOKEN",)),
)

# Other projects' sidecars and init containers, by the names their injectors give them. None of them
# speaks to an LLM.
FOREIGN_CONTAINERS = frozenset(
    {
        "istio-proxy", "istio-init", "istio-validation", "enable-core-dump",
        "linkerd-proxy", "linkerd-init", "linkerd-network-validator", "linkerd-debug",
        "vault-agent", "vault-agent-init", "cloud-sql-proxy", "consul-dataplane",
        "envoy-sidecar", "daprd", "datadog-agent-injector",
        "kuma-sidecar", "kuma-init", "opentelemetry-auto-instrumentation", "otc-container",
    }
)  # fmt: skip


def additions(container: Mapping[str, Any], port: int) -> list[dict[str, str]]:
    """The variables to append to this container's `env`, in a fixed order."""
    present = {
        entry.get("name") for entry in container.get("env") or () if isinstance(entry, Mapping)
    }
    return [
        {"name": name, "value": value}
        for name, value in _wanted(present, f"http://127.0.0.1:{port}")
    ]


def _wanted(present: set[str | None], proxy: str) -> Iterator[tuple[str, str]]:
    led_here = False
    for client in CLIENTS:
        # Who sets one of them leads this SDK elsewhere on purpose: neither its twin nor its key is
        # ours to set then.
        if present.intersection((*client.base_urls, *client.elsewhere)):
            continue
        led_here = True
        for name in client.base_urls:
            yield name, proxy + client.path
        if not present.intersection({*client.keys, *client.keyed_by}):
            yield from ((key, PLACEHOLDER_KEY) for key in client.keys)
    if led_here and not present.intersection({"NO_PROXY", "no_proxy"}):
        yield "NO_PROXY", LOOPBACK


def superseded_keys(container: Mapping[str, Any]) -> list[int]:
    """Where in the container's `env` placeholders of ours stand before AWS credentials that another
    webhook gave it afterwards (a role for its service account, say), the last one first.
    """
    env = container.get("env") or ()
    if not any(entry.get("name") in AWS_IDENTITY for entry in env):
        return []
    return [
        index
        for index, entry in reversed(list(enumerate(env)))
        if entry.get("name") in AWS_KEYS and entry.get("value") == PLACEHOLDER_KEY
    ]


def warnings(container: Mapping[str, Any]) -> Iterator[str]:
    """What may lead this container's requests elsewhere, in words for a warning."""
    name = container.get("name")
    entries = {e.get("name"): e for e in container.get("env") or () if isinstance(e, Mapping)}
    if container.get("envFrom"):
        yield (
            f"container {name}: variables of the same name from envFrom are overridden by those "
            "for the proxy"
        )
    behind_proxy = any(n in entries for n in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"))
    exempt = next((entries[n] for n in ("no_proxy", "NO_PROXY") if n in entries), None)
    if behind_proxy and exempt and "value" in exempt and "127.0.0.1" not in str(exempt["value"]):
        yield (
            f"container {name}: NO_PROXY does not name 127.0.0.1, so its HTTP_PROXY would get "
            "the requests meant for the sidecar"
        )
    if AWS_BEARER in entries and AWS_ENDPOINT not in entries:
        yield (
            f"container {name}: {AWS_BEARER} keeps boto3 and AWS's other SDKs from the proxy, since"
            " they send it over https only; without it they come here"
        )
