"""Compiles `providers` to `Provider` records: base URL, style, paths and credentials, with the
options checked against the provider's kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotfish.core.model.provider import OP_OF_STYLE, Auth, Option, ProviderKind
from pilotfish.core.model.service import Limits, OAuth, Provider, SecretRef
from pilotfish.core.rules.compile.addresses import base_url, headers, proxy_url, with_version
from pilotfish.core.rules.compile.findings import Findings, Place, unknown
from pilotfish.core.rules.compile.request_settings import request_settings
from pilotfish.core.rules.compile.secrets import free_map, raw_secret, secret_ref
from pilotfish.core.rules.compile.validate import found
from pilotfish.core.rules.schema.numbers import LimitsSpec
from pilotfish.core.rules.schema.providers import OAuthSpec, ProviderSpec

_TYPE_WORDS: Mapping[type, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
}


class ProviderCompiler:
    """Compiles one provider after the other. A provider with problems, which go to `findings`,
    still gives a record, so that the rules that name it are checked too.
    """

    def __init__(
        self, kinds: Mapping[str, ProviderKind], allow_inline_secrets: bool, findings: Findings
    ) -> None:
        self.kinds, self.allow, self.findings = kinds, allow_inline_secrets, findings

    def compile(self, name: str, spec: ProviderSpec, place: Place) -> Provider:
        """The record of one provider."""
        kind = self.kinds.get(spec.kind)
        if kind is None:
            self.findings.add(place.at("kind"), unknown("kind", spec.kind, self.kinds))
            return Provider(
                name,
                ProviderKind(spec.kind, "openai", {}),
                "",
                "openai",
                {},
                models=_models(spec),
                default_model=spec.default_model or "",
            )
        options, sound = self._options(spec.options, kind, place.at("options"))
        if spec.api_style is not None:
            options["api_style"] = spec.api_style  # base, paths and signature may depend on it
        sent = self._headers(spec, options.pop("headers", {}), place)
        self._default_model(spec, place)
        paths = kind.paths_from(options) if kind.paths_from and sound else kind.paths
        return Provider(
            name=name,
            kind=kind,
            base=self._base(spec, kind, options, sound, place),
            style=self._style(spec, kind, options if sound else {}, paths, place),
            paths=paths,
            query=kind.query(options) if kind.query and sound else "",
            tokens=self._tokens(
                spec,
                kind,
                kind.auth_from(options) if kind.auth_from and sound else kind.auth,
                sent,
                place,
            ),
            no_key_required=spec.no_key_required,
            enabled=spec.enabled,
            proxy_url=proxy_url(spec.proxy_url, place.at("proxy_url"), self.findings)
            if spec.proxy_url is not None
            else "",
            timeout_s=spec.timeout,
            tags=tuple(spec.tags),
            models=_models(spec),
            default_model=spec.default_model or "",
            settings=request_settings(spec.request, place.at("request"), self.findings),
            headers=tuple(sent.items()),
            auth_type=spec.auth_type,
            oauth=self._oauth(spec, place),
            default_model_capacity=spec.default_model_capacity,
            limits=limits_of(spec.limits),
            options=options,
            attribution=spec.attribution,
            budgets=spec.budgets.budget() if spec.budgets is not None else None,
            ca_file=spec.ca_file or "",
        )

    def _headers(
        self, spec: ProviderSpec, of_options: Mapping[str, str], place: Place
    ) -> dict[str, str]:
        """The headers of every request: those of `options` and of `headers`."""
        own = headers(spec.headers, place.at("headers"), self.findings)
        for header in own.keys() & of_options.keys():
            self.findings.add(place.at("headers", header), "given in options.headers too")
        return {**of_options, **own}

    def _default_model(self, spec: ProviderSpec, place: Place) -> None:
        if spec.models is None or spec.default_model is None:
            return
        if spec.default_model not in spec.models:
            self.findings.add(
                place.at("default_model"),
                f"{spec.default_model!r} is not in models: {', '.join(spec.models)}",
            )

    def _options(
        self, given: dict[str, Any], kind: ProviderKind, place: Place
    ) -> tuple[dict[str, Any], bool]:
        """The options in their types, and whether they are free of problems, so that the functions
        of the kind can take them.
        """
        before = len(self.findings)
        out: dict[str, Any] = {}
        for key, value in given.items():
            option = kind.options.get(key)
            if option is None:
                self.findings.add(
                    place.at(key), unknown("option", key, kind.options, f"of kind {kind.name!r}")
                )
            elif value is not None:
                out[key] = self._option(option, value, place.at(key))
        for key, option in kind.options.items():
            if option.required and key not in out:
                self.findings.absent(
                    place.at(key),
                    (
                        f"missing; kind {kind.name!r} needs "
                        f"it{f' ({option.help})' if option.help else ''}"
                    ),
                )
        if "headers" in out:
            given_headers = out["headers"] if isinstance(out["headers"], dict) else {}
            out["headers"] = headers(given_headers, place.at("headers"), self.findings)
        return out, len(self.findings) == before

    def _option(self, option: Option, value: Any, place: Place) -> Any:
        if option.secret:
            return raw_secret(value, place, self.allow, self.findings)
        fits = isinstance(value, option.type) and (
            option.type is bool or not isinstance(value, bool)
        )
        if option.type is float and type(value) is int:
            return float(value)
        if not fits:
            hint = (
                "; put it in quotes"
                if option.type is str and isinstance(value, (int, float))
                else ""
            )
            self.findings.add(
                place,
                (
                    f"expected {_TYPE_WORDS.get(option.type, option.type.__name__)}, found "
                    f"{found(value)}{hint}"
                ),
            )
            return value
        if isinstance(value, str):
            value = value.strip()
        if option.choices and value not in option.choices:
            self.findings.add(
                place,
                f"expected one of {', '.join(map(repr, option.choices))}, found {found(value)}",
            )
        return value

    def _base(
        self,
        spec: ProviderSpec,
        kind: ProviderKind,
        options: Mapping[str, Any],
        sound: bool,
        place: Place,
    ) -> str:
        """The base URL: `api_base`, else the one that follows from the options, else the vendor's
        own. Empty, with a problem, if there is none.
        """
        own = options.get("base_url")
        if spec.api_base is not None and own is not None:
            self.findings.add(
                place.at("api_base"), "given in options.base_url too; give one of them"
            )
        if spec.api_base is not None:
            return with_version(
                base_url(spec.api_base, place.at("api_base"), self.findings), kind.version
            )
        if isinstance(own, str):
            return with_version(
                base_url(own, place.at("options", "base_url"), self.findings), kind.version
            )
        if kind.base_from is not None and not sound:
            return ""
        try:
            base = kind.base_from(options) if kind.base_from else kind.base_url
        except ValueError:  # the kind's function could not parse an option as a URL
            self.findings.add(
                place.at("options"),
                "no base URL follows from them; is a URL or a host's name among them mistyped?",
            )
            return ""
        if base:
            return with_version(base_url(base, place.at("options"), self.findings), kind.version)
        words = [f"options.{key}" for key in ("base_url", "endpoint") if key in kind.options]
        self.findings.absent(
            place.at("api_base"),
            (
                f"missing; kind {kind.name!r} has no base URL of its own, expected "
                f"{' or '.join(['api_base', *words])}"
            ),
        )
        return ""

    def _style(
        self,
        spec: ProviderSpec,
        kind: ProviderKind,
        options: Mapping[str, Any],
        paths: Mapping[str, str],
        place: Place,
    ) -> str:
        style = spec.api_style
        if style is None:
            return kind.style_from(options) if kind.style_from else kind.style
        known = [s for s, op in OP_OF_STYLE.items() if op in paths]
        if style not in OP_OF_STYLE:
            self.findings.add(place.at("api_style"), unknown("style", style, OP_OF_STYLE))
        elif style not in known:
            self.findings.add(
                place.at("api_style"),
                f"kind {kind.name!r} does not speak {style!r}; it speaks: {', '.join(known)}",
            )
        return style

    def _tokens(
        self,
        spec: ProviderSpec,
        kind: ProviderKind,
        auth: Auth,
        sent: Mapping[str, str],
        place: Place,
    ) -> tuple[SecretRef, ...]:
        if spec.token is not None and spec.tokens is not None:
            self.findings.add(place.at("tokens"), "given beside token; give one of them")
        if spec.tokens is not None:
            return tuple(
                secret_ref(t, place.at("tokens", i), self.allow, self.findings)
                for i, t in enumerate(spec.tokens)
            )
        if spec.token is not None:
            return (secret_ref(spec.token, place.at("token"), self.allow, self.findings),)
        # Credentials of other schemes (signatures, expiring tokens) come from the options or the
        # environment.
        wanted = (
            kind.needs_key
            and auth.scheme == "key"
            and spec.auth_type == "api_key"
            and not spec.no_key_required
        )
        if wanted and auth.header.lower() not in sent:
            self.findings.absent(
                place.at("token"),
                (
                    "missing; expected {env: NAME}, {file: PATH} or {secret: ...}, or "
                    "no_key_required: true"
                ),
            )
        return ()

    def _oauth(self, spec: ProviderSpec, place: Place) -> OAuth | None:
        detail = spec.oauth_detail
        at = place.at("oauth_detail")
        if detail is None:
            if spec.auth_type == "oauth":
                self.findings.absent(
                    at, "missing; auth_type 'oauth' needs access_token or refresh_token in it"
                )
            return None
        if detail.access_token is None and detail.refresh_token is None:
            self.findings.absent(at, "expected access_token or refresh_token in it, found neither")
        made = self._oauth_of(detail, at, spec.kind)
        self._renewal(made, at)
        return made

    def _renewal(self, oauth: OAuth, at: Place) -> None:
        """A token that will be over and that nothing renews is a problem. A file, or a mounted
        Secret, may be renewed by others.
        """
        if oauth.refresh_token is not None and oauth.token_url:
            return
        access = oauth.access_token
        known = ", ".join(sorted(t for kind in self.kinds.values() for t in kind.oauth_endpoints))
        needed = (
            "a refresh_token"
            if oauth.refresh_token is None
            else f"extra_fields.token_url, or a provider_type whose endpoint is known ({known})"
        )
        if access is None and oauth.refresh_token is not None:
            self.findings.absent(
                at, f"no access_token, and to get one with the refresh_token it needs {needed}"
            )
        elif access is not None and oauth.expires_at and access.source in ("env", "literal"):
            self.findings.add(
                at.at("expires_at"),
                f"the token will be over, and nothing renews it; expected {needed}",
            )

    def _oauth_of(self, detail: OAuthSpec, at: Place, kind: str) -> OAuth:
        def ref(key: str) -> SecretRef | None:
            value = getattr(detail, key)
            return (
                None if value is None else secret_ref(value, at.at(key), self.allow, self.findings)
            )

        if detail.expires_at and not _is_moment(detail.expires_at):
            self.findings.add(
                at.at("expires_at"),
                f"expected an RFC 3339 time such as 2030-01-01T00:00:00Z, found "
                f"{detail.expires_at[:40]!r}",
            )
        endpoints = {t: e for k in self.kinds.values() for t, e in k.oauth_endpoints.items()}
        known = endpoints.get((detail.provider_type or kind).lower())
        own = str(detail.extra_fields.get("token_url") or "")
        form = detail.extra_fields.get("format")
        return OAuth(
            token_url=own or (known.url if known is not None else ""),
            as_json=form == "json" if form else known is not None and known.as_json,
            user_id=detail.user_id,
            access_token=ref("access_token"),
            refresh_token=ref("refresh_token"),
            provider_type=detail.provider_type,
            expires_at=detail.expires_at,
            extra_fields=free_map(
                detail.extra_fields, at.at("extra_fields"), self.allow, self.findings
            ),
        )


def _is_moment(text: str) -> bool:
    from datetime import datetime

    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _models(spec: ProviderSpec) -> frozenset[str] | None:
    return None if spec.models is None else frozenset(spec.models)


def limits_of(spec: LimitsSpec) -> Limits:
    """The record of a `limits` section."""
    return Limits(spec.requests_per_minute, spec.tokens_per_minute, spec.concurrency)
