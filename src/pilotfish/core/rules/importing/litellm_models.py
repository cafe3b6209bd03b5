"""Converts LiteLLM's `litellm_params` to a provider (the account) and a model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pilotfish.core.rules.importing.writing import (
    Imported,
    Known,
    mapping,
    number,
    same_base,
    text,
    unique,
    variable,
)

# Model names without a prefix that LiteLLM recognises -> kind.
FAMILIES = (
    (re.compile(r"^(?:gpt-|o[134](?:-|$)|chatgpt-|text-embedding-|dall-e|whisper|tts-)"), "openai"),
    (re.compile(r"^claude-"), "anthropic"),
)
ENVIRON = "os.environ/"
# Placeholders for a key, written where LiteLLM wants one and the user's own server does not.
NO_KEYS = frozenset(
    {
        "none",
        "null",
        "empty",
        "dummy",
        "fake",
        "fake-key",
        "no-key",
        "not-needed",
        "anything",
        "na",
        "n/a",
        "-",
        "x",
    }
)
BEDROCK_ROUTES = ("converse", "invoke", "converse_like")
ACCOUNT_KEYS = (
    "api_key", "api_base", "base_url", "api_version", "timeout", "custom_llm_provider",
    "aws_region_name", "aws_access_key_id", "aws_secret_access_key", "aws_session_token",
    "aws_role_name", "aws_profile_name", "vertex_project", "vertex_location", "vertex_credentials",
    "tenant_id", "client_id", "client_secret", "extra_headers", "headers", "organization",
)  # fmt: skip
# Kind -> LiteLLM's parameter -> option of the kind. Those in SECRET_OPTIONS become references.
OPTIONS = {
    "bedrock": {
        "aws_region_name": "region",
        "aws_role_name": "role_arn",
        "aws_profile_name": "profile",
    },
    "vertex": {"vertex_project": "project", "vertex_location": "location"},
    "azure": {"api_version": "api_version", "tenant_id": "tenant_id", "client_id": "client_id"},
}
SECRET_OPTIONS = {
    "bedrock": {
        "aws_access_key_id": "access_key",
        "aws_secret_access_key": "secret_key",
        "aws_session_token": "session_token",
    },
    "azure": {"client_secret": "client_secret"},
}


class Deployments:
    """Converts deployments to services. Equal accounts share one provider."""

    def __init__(self, known: Known, result: Imported) -> None:
        self._known, self._result = known, result
        self._kinds = {
            prefix: name for name, kind in known.kinds.items() for prefix in kind.litellm_names
        }
        self.providers: dict[str, dict[str, Any]] = {}

    def service(self, path: str, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """`{provider, model}` of a deployment; None, with a loss, if it cannot be converted."""
        kind, model = self._kind_and_model(params)
        if not kind:
            named = text(params.get("model"))
            self._result.lose(
                path,
                f"no kind of provider is known for model {named!r}"
                if named
                else "litellm_params has no model",
            )
            return None
        account = self._account(f"{path}.litellm_params", kind, params)
        for name, known in self.providers.items():
            if known == account:
                return {"provider": name, "model": model}
        name = unique(kind, self.providers, kind)
        self.providers[name] = account
        return {"provider": name, "model": model}

    def _kind_and_model(self, params: Mapping[str, Any]) -> tuple[str, str]:
        model, custom = text(params.get("model")), text(params.get("custom_llm_provider"))
        prefix, slash, rest = model.partition("/")
        base = text(params.get("api_base")) or text(params.get("base_url"))
        if custom in self._kinds:
            kind, name = self._kinds[custom], rest if slash and prefix == custom else model
        elif slash and prefix in self._kinds:
            kind, name = self._kinds[prefix], rest
        else:
            kind = next((kind for pattern, kind in FAMILIES if pattern.match(model)), "")
            name = model
            if not kind and base:
                kind = "openai_compatible"
        if kind == "bedrock" and name.partition("/")[0] in BEDROCK_ROUTES:
            name = name.partition("/")[2]
        if kind == "openai" and base and "api.openai.com" not in base:
            # LiteLLM's usual way to configure an OpenAI-compatible server
            kind = "openai_compatible"
        return (kind, name) if name else ("", "")

    def _account(self, path: str, kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
        account: dict[str, Any] = {"kind": kind}
        base = text(params.get("api_base")) or text(params.get("base_url"))
        if base.startswith(ENVIRON):
            self._result.lose(
                f"{path}.api_base",
                (
                    f"the value of environment variable {base.removeprefix(ENVIRON)} must be "
                    "written out here"
                ),
            )
            base = ""
        base = self._result.plain_url(f"{path}.api_base", base)
        if kind == "ollama" and base and not base.rstrip("/").endswith("/v1"):
            base = base.rstrip("/") + "/v1"  # LiteLLM's base is that of Ollama's native API
        if kind == "azure" and base:
            account["options"] = {"endpoint": base.rstrip("/")}
        elif base and not same_base(base, self._known.kinds[kind]):
            account["api_base"] = base.rstrip("/")
        self._key(path, kind, params, account)
        self._options(path, kind, params, account)
        headers = {**mapping(params.get("extra_headers")), **mapping(params.get("headers"))}
        if text(params.get("organization")):
            headers["OpenAI-Organization"] = text(params["organization"])
        for name in [
            n
            for n, value in headers.items()
            if not isinstance(value, str) or value.startswith(ENVIRON) or _is_secret(n)
        ]:
            self._result.lose(
                f"{path}.extra_headers.{name}",
                "a secret or a reference in a header is not carried over",
            )
            del headers[name]
        if headers:
            account["headers"] = headers
        timeout = number(params.get("timeout"))
        if timeout:
            account["timeout"] = timeout
            self._result.lose(
                f"{path}.timeout",
                "it bounds a wait for the vendor there, and a whole attempt here, streams too",
            )
        return account

    def _key(
        self, path: str, kind: str, params: Mapping[str, Any], account: dict[str, Any]
    ) -> None:
        given, at_hand = text(params.get("api_key")), self._known.kinds[kind].key_variable
        if given.lower() in NO_KEYS:
            account["no_key_required"] = True
        elif given:
            account["token"] = self._reference(f"{path}.api_key", given, at_hand or variable(kind))
        elif at_hand and not (kind == "azure" and text(params.get("client_secret"))):
            account["token"] = {"env": at_hand}
        elif not self._known.kinds[kind].needs_key or kind == "openai_compatible":
            account["no_key_required"] = True

    def _options(
        self, path: str, kind: str, params: Mapping[str, Any], account: dict[str, Any]
    ) -> None:
        options: dict[str, Any] = account.get("options", {})
        for key, name in OPTIONS.get(kind, {}).items():
            value = text(params.get(key))
            if value.startswith(ENVIRON):
                variable_name = value.removeprefix(ENVIRON)
                self._result.lose(
                    f"{path}.{key}",
                    (
                        f"the value of environment variable {variable_name} must be written out in "
                        f"options.{name}"
                    ),
                )
            elif value:
                options[name] = value
        for key, name in SECRET_OPTIONS.get(kind, {}).items():
            if text(params.get(key)):
                options[name] = self._reference(
                    f"{path}.{key}", text(params[key]), variable(kind, name.upper())
                )
        credentials = params.get("vertex_credentials")
        if kind == "vertex" and credentials:
            if (
                isinstance(credentials, str)
                and not credentials.lstrip().startswith("{")
                and not credentials.startswith(ENVIRON)
            ):
                options["credentials_file"] = credentials
            else:
                account["token"] = self._reference(
                    f"{path}.vertex_credentials", text(credentials), "VERTEX_CREDENTIALS"
                )
        if options:
            account["options"] = options

    def _reference(self, path: str, value: str, fallback: str) -> dict[str, str]:
        if value.startswith(ENVIRON):
            return {"env": value.removeprefix(ENVIRON)}
        self._result.lose(path, f"a literal secret: set environment variable {fallback} to it")
        return {"env": fallback}


def _is_secret(name: str) -> bool:
    return any(
        word in name.lower() for word in ("authorization", "key", "token", "secret", "cookie")
    )
