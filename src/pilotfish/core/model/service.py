"""Providers and services as the rules configure them: frozen, every default resolved. Times are
seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotfish.core.formats.style import Quirks
from pilotfish.core.model.provider import ProviderKind

TIME_WINDOW_S = 300.0  # of a service's statistics, where the rules give none or nothing above 0


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where a secret is: `env` NAME, `file` PATH, `secret` NAME/KEY (a mounted Secret), or
    `literal` VALUE. Its repr shows no value.
    """

    source: str
    name: str = ""
    key: str = ""
    value: str = field(default="", repr=False)

    def __str__(self) -> str:
        return {
            "env": f"environment variable {self.name}",
            "file": f"file {self.name}",
            "secret": f"secret {self.name}/{self.key}",
        }.get(self.source, "a literal key")


@dataclass(frozen=True, slots=True)
class Limits:
    """None: no limit of that kind."""

    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int | None = None


@dataclass(frozen=True, slots=True)
class OAuth:
    access_token: SecretRef | None = None
    refresh_token: SecretRef | None = None
    provider_type: str = ""
    expires_at: str = ""
    extra_fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """An account at a vendor. `base` has no trailing slash and holds the version; `paths` are
    appended to it.
    """

    name: str
    kind: ProviderKind
    base: str
    style: str
    paths: Mapping[str, str]
    query: str = ""
    tokens: tuple[SecretRef, ...] = ()
    no_key_required: bool = False
    enabled: bool = True
    proxy_url: str = field(default="", repr=False)  # may hold a password
    timeout_s: float | None = None
    tags: tuple[str, ...] = ()
    models: frozenset[str] | None = None
    default_model: str = ""
    headers: tuple[tuple[str, str], ...] = field(
        default=(), repr=False
    )  # lower-case names; may hold keys
    auth_type: str = "api_key"
    oauth: OAuth | None = None
    default_model_capacity: int | None = None
    limits: Limits = Limits()
    options: Mapping[str, Any] = field(default_factory=dict)
    ca_file: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One provider + one model inside a rule."""

    provider: Provider
    model: str
    rule: str
    weight: float = 1.0
    active: bool = True
    time_window_s: float = TIME_WINDOW_S
    tier: int = 0
    model_capacity: int | None = None
    priority: int = 0  # of a virtual model's participant: larger wins
    limits: Limits = Limits()
    quirks: Quirks = Quirks()
    fallback: frozenset[str] = (
        frozenset()
    )  # reasons (`context_length`, `content_policy`) for which it may take over
    id: str = ""  # "provider/model"
    id_header: bytes = b""  # the same as a header's value
    model_json: bytes = b""  # the model's name as JSON, for the splice
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens. `cached_input` and `cache_write` fall back to `input`."""

    input: float = 0.0
    output: float = 0.0
    cached_input: float | None = None
    cache_write: float | None = None
